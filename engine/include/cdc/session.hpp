#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cdc/dataset.hpp"
#include "cdc/node.hpp"

namespace cdc {

/// A model: the state of every node of a graph, by "node.tensor". On the CPU.
class CDC_API Model {
 public:
  ~Model();
  std::vector<NamedTensor> state;
  Value protocol;  ///< table: split trained on, epochs, precision
};

struct SessionOptions {
  std::shared_ptr<const Dataset> data;
  std::string device = "cpu";
  bool bfloat16 = false;    ///< autocast to bfloat16 in nodes that do not ask for full precision
  int batches_in_flight = 2;
  std::int64_t evaluation_batch_size = 256;  ///< of whole-set passes that nodes ask for
  /// Images in a batch of the passes that estimate batch-normalization statistics: see GraphSession::trained_for(). 0: there are none.
  std::int64_t statistics_batch_size = 0;
  double statistics_share = 0.01;  ///< of Node::begin_statistics(); below 0: always
  int threads = 0;          ///< LibTorch's compute threads on the calling thread; its bits depend on them. 0: as they are
  std::uint64_t seed = 0;
};

/// Where training stands, for nodes.
struct Position {
  bool training = false;
  std::int64_t epoch = 0, step = 0, steps_per_epoch = 0, epochs = 0;
};

/// Which names must be on both sides when weights are loaded.
enum class Names {
  all,    ///< every tensor of either side has its partner: a checkpoint
  ours,   ///< every tensor of the graph is there; further ones belong to nodes that this stage leaves out
  common  ///< what both have is taken, and there is something: weights to start from
};

/// A stage's graph at work: builds the nodes, streams batches through them. For one thread at a time. Nodes' exceptions come out as cdc::Error
/// naming node, plugin and batch.
class CDC_API GraphSession {
 public:
  virtual ~GraphSession();

  /// Makes every node for these data; sizes that the file left open are fixed by them. cdc::Error where they do not fit.
  virtual void build(const SessionOptions& options) = 0;
  /// The tensors of all nodes, shared with them, in the graph's order: "node.tensor".
  virtual std::vector<NamedTensor> state() = 0;
  /// Copies tensors in by name; one stated by Schema::state may have another shape than built (a queue that has grown). One cdc::Error tells which tensors have
  /// no partner against `names` and which have another shape, how many and the first names of each. Returns how many were taken.
  virtual std::size_t load_state(const std::vector<NamedTensor>& saved, Names names) = 0;

  /// The steps of training that the weights at hand have had. Where a batch-normalization layer's running statistics are of too few of them, each later
  /// look at the whole set, features() and WholeSet, estimates them first over plain views and then puts the running ones back. 0, as at first: never.
  virtual void trained_for(std::int64_t steps) = 0;
  /// Estimates them for good, in every node, and looks thereafter take them as they are. Returns how many layers' that were. `progress` as for features().
  virtual std::int64_t estimate_statistics(const std::function<void(std::int64_t, std::int64_t)>& progress = {}) = 0;

  virtual void begin_training() = 0;
  virtual void begin_epoch(std::int64_t epoch) = 0;

  /// Starts rendering batches of `order` (the rest that does not fill a batch is left out while training), from batch `first`.
  virtual void start(std::vector<std::int64_t> order, std::int64_t batch_size, bool training, std::int64_t epoch, std::int64_t first) = 0;
  /// Waits for the next batch; false when there is none left.
  virtual bool next() = 0;
  /// Seconds that next() waited since start().
  virtual double waited() const = 0;
  /// The samples of the present batch, [B] int64.
  virtual const at::Tensor& indices() const = 0;

  /// Runs the present batch through all nodes.
  virtual void forward(const Position& position) = 0;
  /// What a port ("node" or "node.port", resolved at load) gave in the last forward().
  virtual const at::Tensor& output(const std::string& node, const std::string& port) const = 0;
  virtual void after_step() = 0;
  /// What nodes said by Step::nothing_counts() in the last forward(), as "node 'x' (plugin y): why".
  virtual const std::vector<std::string>& nothing_counted() const = 0;
  /// The nodes whose tensors (state()) a node's outputs depend on, the weights that such a node follows included.
  virtual std::vector<std::string> nodes_behind(const std::string& node) const = 0;
  /// Of the last forward(): the first node with an output that is not finite, as "node 'x' (plugin y), output z"; empty if there is none.
  virtual std::string first_not_finite() const = 0;
  /// Means of what nodes reported (Step::report) since the last clear_reports(), as "NODE.name", in order of first report.
  virtual std::vector<std::pair<std::string, double>> reports() = 0;
  virtual void clear_reports() = 0;
  /// The sums behind reports(), exactly: for a checkpoint in the middle of an epoch.
  virtual Value report_state() = 0;
  virtual void restore_reports(const Value& state) = 0;

  /// A port for every sample in order: [N, ...] float32, CPU, evaluation mode, plain view. `progress(done, total)` may throw cdc::Stopped.
  virtual at::Tensor features(const std::string& node, const std::string& port, std::int64_t batch_size,
                              const std::function<void(std::int64_t, std::int64_t)>& progress = {}) = 0;
};

/// "float32" or "bfloat16": "auto" takes bfloat16 where the device has it in hardware (CPUs: AVX512-BF16; GPUs: from compute capability 8).
/// cdc::Error where `choice` is none of the three.
CDC_API std::string resolve_precision(const std::string& choice, const std::string& device);

/// A checkpoint or model on disk: named tensors and a header. Written whole or not at all; cdc::Error where it cannot be.
CDC_API void save_tensors(const std::string& path, const std::string& kind, const Value& header, const std::vector<NamedTensor>& tensors);
/// Reads one back, verified; false where there is no file. A damaged file is an Error that names it.
CDC_API bool load_tensors(const std::string& path, const std::string& kind, Value& header, std::vector<NamedTensor>& tensors);

/// What other programs left in a file of weights.
struct FileWeights {
  std::vector<NamedTensor> tensors;  ///< in the file's order, each name once; read-only, booleans as bytes, not contiguous where they were not
  /// What is no tensor, number or text: name, and the Python class or function that would have to be run to make it.
  std::vector<std::pair<std::string, std::string>> unread;
};
/// Reads a safetensors file, or what PyTorch's torch.save() wrote (.pth, .pt, .pth.tar), without executing anything of it. Dictionaries in dictionaries
/// become names with dots: {"state_dict": {"fc.weight": ...}} is "state_dict.fc.weight". cdc::Error naming the file.
CDC_API FileWeights read_weights(const std::string& path);

}  // namespace cdc
