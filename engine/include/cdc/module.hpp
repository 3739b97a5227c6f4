#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <vector>

#include "cdc/node.hpp"

namespace cdc {

/// A node whose parameters live in a torch::nn::Module, made by make(). Its tensors are the module's, by their names there.
class CDC_API ModuleNode : public Node {
 public:
  ~ModuleNode() override;
  /// The module, made once; LibTorch's default generator is seeded for this node while it runs.
  virtual std::shared_ptr<torch::nn::Module> make(const BuildContext& context) = 0;

  void build(const BuildContext& context) override;
  std::vector<NamedTensor> module_state() override;
  void move_to(c10::Device device) override;
  void train(bool on) override;
  int begin_statistics(std::int64_t steps, double share) override;
  void end_statistics() override;

 protected:
  template <class M>
  M& module() {
    return static_cast<M&>(*module_);
  }

 private:
  std::shared_ptr<torch::nn::Module> module_;
  std::vector<std::function<void()>> put_back_;  ///< after begin_statistics()
};

/// [V, B, ...] -> [V * B, ...] and back: modules see one batch of all views.
CDC_API at::Tensor merge_views(const at::Tensor& x);
CDC_API at::Tensor split_views(const at::Tensor& x, std::int64_t views);

}  // namespace cdc
