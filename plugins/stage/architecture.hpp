#pragma once

#include <string>
#include <vector>

/// The kind of network that tensors of these names belong to, as far as well-known names tell ("a ResNet-50", "a vision transformer"), whatever
/// stands before the names; empty where they tell nothing. Names are those of torchvision, timm, Hugging Face's transformers and the papers' own
/// code.
std::string architecture_of(const std::vector<std::string>& names);
