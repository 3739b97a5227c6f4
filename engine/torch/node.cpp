#include "cdc/node.hpp"

#include <fmt/format.h>

#include "cdc/error.hpp"
#include "cdc/loss.hpp"
#include "cdc/optimizer.hpp"
#include "cdc/sampler.hpp"
#include "cdc/session.hpp"

namespace cdc {

// Destructors out of line: one home for each class's type information, so that dynamic_cast and exceptions work across libraries.
Step::~Step() = default;
WholeSet::~WholeSet() = default;
Node::~Node() = default;
Sampler::~Sampler() = default;
Loss::~Loss() = default;
Optimizer::~Optimizer() = default;
Schedule::~Schedule() = default;
Model::~Model() = default;
GraphSession::~GraphSession() = default;

std::int64_t BuildContext::size(std::string_view symbol) const {
  for (const auto& [name_of_size, value] : sizes)
    if (name_of_size == symbol && value > 0) return value;
  throw Error(fmt::format("node '{}': the size '{}' of its ports is not known; connect the port or set the parameter that fixes it", name, symbol));
}

void Loss::forward(Step& step) { step.out(kLoss, compute(LossInputs(step))); }

}  // namespace cdc
