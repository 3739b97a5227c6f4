#include "data/batch_pipeline.hpp"

#include <fmt/format.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/at_work.hpp"
#include "cdc/error.hpp"
#include "data/view_check.hpp"

namespace cdc {

namespace {

/// Buffers that batches come and go in. Shared with every buffer handed out, so that it outlives the last of them.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  ~BufferPool() {
    for (auto& [bytes, buffers] : free_)
      for (float* buffer : buffers) release(buffer);
  }
  std::shared_ptr<float> take(std::size_t floats) {
    const std::size_t bytes = (floats * sizeof(float) + 63) / 64 * 64;
    float* buffer = nullptr;
    {
      const std::lock_guard lock(mutex_);
      std::vector<float*>& free = free_[bytes];
      if (!free.empty()) {
        buffer = free.back();
        free.pop_back();
      }
    }
    if (!buffer) {
      auto* const memory = static_cast<float*>(std::aligned_alloc(64, bytes + 2 * kMargin * sizeof(float)));
      if (!memory) throw Error(fmt::format("no memory for a batch of {} bytes; set a smaller batch_size", bytes));
      buffer = memory + kMargin;
    }
    return std::shared_ptr<float>(buffer, [pool = shared_from_this(), bytes](float* b) { pool->give_back(b, bytes); });
  }
  /// Gives the memory of all buffers that lie idle back to the system, and keeps none from now on.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [bytes, buffers] : free_)
      for (float* buffer : buffers) release(buffer);
    free_.clear();
  }

 private:
  /// Floats before and behind: an augmentation that writes a little beyond its view is told of at the first view of a pass, while others render too.
  static constexpr std::size_t kMargin = 16;
  static void release(float* buffer) { std::free(buffer - kMargin); }

  void give_back(float* buffer, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      release(buffer);
    } else {
      free_[bytes].push_back(buffer);
    }
  }

  std::mutex mutex_;
  bool closed_ = false;
  std::unordered_map<std::size_t, std::vector<float*>> free_;
};

/// A batch that is being rendered, in chunks of samples. Guarded by the pipeline's mutex, but for what `batch` points to.
struct Slot {
  RenderedBatch batch;
  std::int64_t next_chunk = 0, chunks = 0, done = 0;
  std::int64_t error_chunk = 0;
  std::exception_ptr error;  ///< of the first chunk that failed: the same whatever the timing
};

}  // namespace

struct BatchPipeline::Impl {
  BatchRequest request;
  std::vector<int> views;       ///< [augments]
  std::vector<int> first_view;  ///< [augments] views of one sample are numbered over all augments: none shares its random numbers with another
  std::int64_t batches = 0;
  std::int64_t next_batch = 0;  ///< the next one to start
  std::int64_t chunk = 1;       ///< samples rendered by one task
  double waited = 0;
  std::shared_ptr<BufferPool> pool = std::make_shared<BufferPool>();

  std::mutex mutex;
  std::condition_variable chunk_done;
  std::deque<std::shared_ptr<Slot>> slots;  ///< in order of the batches
  std::int64_t unclaimed = 0;               ///< chunks that nobody has begun
  std::int64_t helpers = 0;                 ///< tasks that are on their way to claim one
  bool stopped = false;
  std::exception_ptr failed;  ///< what next() threw: it throws it again
  oneapi::tbb::task_group tasks;

  void check() const;
  void start_batches();
  void start_helpers();
  bool claim(std::shared_ptr<Slot>& slot, std::int64_t& index, bool front_only);
  void render_chunk(const std::shared_ptr<Slot>& slot, std::int64_t index);
  void render_sample(const RenderedBatch& batch, std::int64_t position) const;
  template <class Render>
  void render_view(std::size_t augment, bool guarded, float* out, std::int64_t floats, const Render& render) const;
};

void BatchPipeline::Impl::check() const {
  const BatchRequest& r = request;
  if (!r.data) throw Error("a batch pipeline needs a data set");
  if (r.batch_size < 1) throw Error(fmt::format("batch_size is {}; it must be at least 1", r.batch_size));
  if (r.sizes.size() != r.augments.size()) throw Error(fmt::format("{} augmentations, but {} sizes", r.augments.size(), r.sizes.size()));
  if (!r.picks.empty() && r.picks.size() != r.augments.size())
    throw Error(fmt::format("{} augmentations, but picks for {}", r.augments.size(), r.picks.size()));
  for (const auto& [height, width] : r.sizes) {
    if (height < 1 || width < 1)
      throw Error(fmt::format("views of {} x {} cannot be rendered; the images differ in size: set the augmentation's size", height, width));
  }
  if (r.training && static_cast<std::int64_t>(r.order.size()) < r.batch_size) {
    throw Error(fmt::format("batch_size is {}, but there are only {} samples; set a smaller one", r.batch_size, r.order.size()));
  }
  for (const std::int64_t sample : r.order) {
    if (sample < 0 || sample >= r.data->size()) throw Error(fmt::format("sample {} of a data set of {}", sample, r.data->size()));
  }
  if (r.first_batch < 0 || r.first_batch > batches) throw Error(fmt::format("batch {} of an epoch of {}", r.first_batch, batches));
}

/// Takes up batches until as many are in flight as may be. Called by the consumer, under the lock.
void BatchPipeline::Impl::start_batches() {
  while (next_batch < batches && static_cast<int>(slots.size()) < std::max(1, request.batches_in_flight)) {
    auto slot = std::make_shared<Slot>();
    RenderedBatch& b = slot->batch;
    b.number = next_batch++;
    const auto begin = request.order.begin() + b.number * request.batch_size;
    b.samples.assign(begin, begin + std::min<std::int64_t>(request.batch_size, request.order.end() - begin));
    const auto count = static_cast<std::int64_t>(b.samples.size());
    for (std::size_t a = 0; a < request.augments.size(); ++a) {
      const auto [height, width] = request.sizes[a];
      b.views.push_back(pool->take(static_cast<std::size_t>(views[a] * count * request.data->channels()) * static_cast<std::size_t>(height) *
                                   static_cast<std::size_t>(width)));
    }
    slot->chunks = (count + chunk - 1) / chunk;
    unclaimed += slot->chunks;
    slots.push_back(std::move(slot));
  }
}

/// One task a chunk that nobody has begun; a task that finds them all begun (the consumer helps) ends at once, and counts until it has run, so that
/// with no thread to run them they do not pile up. Called by the consumer, under the lock.
void BatchPipeline::Impl::start_helpers() {
  for (; helpers < unclaimed; ++helpers) {
    tasks.run([this] {
      std::shared_ptr<Slot> slot;
      std::int64_t index = 0;
      {
        const std::lock_guard lock(mutex);
        --helpers;
        if (!claim(slot, index, false)) return;
      }
      render_chunk(slot, index);
    });
  }
}

/// The first chunk that nobody has begun. Called under the lock.
bool BatchPipeline::Impl::claim(std::shared_ptr<Slot>& slot, std::int64_t& index, bool front_only) {
  if (stopped) return false;
  for (const auto& s : slots) {
    if (s->next_chunk < s->chunks) {
      slot = s;
      index = s->next_chunk++;
      --unclaimed;
      return true;
    }
    if (front_only) return false;
  }
  return false;
}

void BatchPipeline::Impl::render_chunk(const std::shared_ptr<Slot>& slot, std::int64_t index) {
  std::exception_ptr error;
  try {
    const std::int64_t end = std::min((index + 1) * chunk, static_cast<std::int64_t>(slot->batch.samples.size()));
    for (std::int64_t i = index * chunk; i < end; ++i) render_sample(slot->batch, i);
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard lock(mutex);
  if (error && (!slot->error || index < slot->error_chunk)) {
    slot->error = error;
    slot->error_chunk = index;
  }
  if (++slot->done == slot->chunks) chunk_done.notify_all();
}

/// Renders a view and looks at what came of it. The first sample's goes to memory of its own first, so that writing beyond it is seen.
template <class Render>
void BatchPipeline::Impl::render_view(std::size_t augment, bool guarded, float* out, std::int64_t floats, const Render& render) const {
  const char* const name = request.names.empty() ? "an augmentation" : request.names[augment].c_str();
  const AtWork work(name, "rendering a view", request.training ? request.epoch : -1);
  std::string problem;
  try {
    if (guarded) {
      GuardedView guards(floats);
      render(guards.view());
      problem = guards.problem();
      std::copy_n(guards.view(), floats, out);
    } else {
      render(out);
    }
  } catch (const std::exception& e) {
    if (request.names.empty()) throw;
    problem = e.what();
  } catch (...) {
    if (request.names.empty()) throw;
    problem = "an exception of unknown type was thrown";
  }
  if (problem.empty()) problem = view_problem(out, floats);
  if (!problem.empty()) throw Error(fmt::format("{}: {}", name, problem));
}

void BatchPipeline::Impl::render_sample(const RenderedBatch& batch, std::int64_t position) const {
  const std::int64_t own = batch.samples[static_cast<std::size_t>(position)];
  std::int64_t sample = own;
  try {
    Image image;
    std::int64_t read = -1;  // which sample `image` is
    for (std::size_t a = 0; a < request.augments.size(); ++a) {
      sample = own;
      if (request.training && !request.picks.empty() && request.picks[a]) {
        sample = request.picks[a](request.epoch, own);
        if (sample < 0 || sample >= request.data->size()) {
          const std::int64_t wrong = std::exchange(sample, own);
          throw Error(fmt::format("sample {} of a data set of {} was picked in its place", wrong, request.data->size()));
        }
      }
      if (read != sample) {
        const AtWork work("the data set", "reading an image");
        image = request.data->image(sample);
        read = sample;
        if (image.channels != request.data->channels())
          throw Error(fmt::format("has {} channels, but the data set says {}", image.channels, request.data->channels()));
      }
      const int height = request.sizes[a][0], width = request.sizes[a][1];
      const std::int64_t floats = std::int64_t{image.channels} * height * width;
      float* out = batch.views[a].get() + position * floats;
      const bool guarded = position == 0 && batch.number == request.first_batch;
      const Augment& augment = *request.augments[a];
      if (!request.training) {
        render_view(a, guarded, out, floats, [&](float* to) { augment.render_plain(image, height, width, to); });
        continue;
      }
      for (int v = 0; v < views[a]; ++v) {
        const ViewKey key{request.seed, request.epoch, own, first_view[a] + v};
        render_view(a, guarded, out + v * static_cast<std::int64_t>(batch.samples.size()) * floats, floats,
                    [&](float* to) { augment.render(image, key, height, width, to); });
      }
    }
  } catch (const std::exception& e) {
    // Messages of the host's own type, which name the sample (a data set's own errors mostly do already).
    const std::string name = request.data->sample_name(sample), text = e.what();
    throw Error(text.find(name) != std::string::npos ? text : fmt::format("{}: {}", name, text));
  } catch (...) {
    throw Error(fmt::format("{}: loading it ended with an unknown exception", request.data->sample_name(sample)));
  }
}

BatchPipeline::BatchPipeline(BatchRequest request) : impl_(std::make_unique<Impl>()) {
  Impl& i = *impl_;
  i.request = std::move(request);
  const auto samples = static_cast<std::int64_t>(i.request.order.size()), size = std::max<std::int64_t>(i.request.batch_size, 1);
  i.batches = i.request.training ? samples / size : (samples + size - 1) / size;
  i.check();
  i.next_batch = i.request.first_batch;
  int view = 0;
  for (const Augment* augment : i.request.augments) {
    i.views.push_back(i.request.training ? augment->views() : 1);
    i.first_view.push_back(view);
    view += i.views.back();
  }
  // Small enough for all threads to have some of each batch, large enough that claiming costs nothing.
  i.chunk = std::clamp<std::int64_t>(i.request.batch_size / (8 * oneapi::tbb::this_task_arena::max_concurrency()), 1, 32);
  const std::lock_guard lock(i.mutex);
  i.start_batches();
  i.start_helpers();
}

BatchPipeline::~BatchPipeline() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
  }
  impl_->tasks.wait();  // chunks begun are finished; tasks that have not begun find nothing to do
  impl_->slots.clear();
  impl_->pool->close();
}

std::int64_t BatchPipeline::batches() const { return impl_->batches; }
double BatchPipeline::seconds_waited() const { return impl_->waited; }

bool BatchPipeline::next(RenderedBatch& batch) {
  Impl& i = *impl_;
  batch = RenderedBatch();  // its buffers go back first: the next batch may want them
  std::unique_lock lock(i.mutex);
  if (i.failed) std::rethrow_exception(i.failed);
  i.start_batches();
  if (i.slots.empty()) return false;
  i.start_helpers();

  const std::shared_ptr<Slot> slot = i.slots.front();
  if (slot->done < slot->chunks) {
    const auto begin = std::chrono::steady_clock::now();
    // The consumer renders what nobody has begun: with one thread, there is nobody else. Then it waits for the others, who hold threads of their own.
    std::shared_ptr<Slot> claimed;
    for (std::int64_t index = 0; i.claim(claimed, index, true);) {
      lock.unlock();
      i.render_chunk(claimed, index);
      lock.lock();
    }
    i.chunk_done.wait(lock, [&] { return slot->done == slot->chunks; });
    i.waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  i.slots.pop_front();
  if (slot->error) {
    i.stopped = true;
    i.failed = slot->error;
    std::rethrow_exception(slot->error);
  }
  batch = std::move(slot->batch);
  i.start_batches();  // one more, while this one is in the consumer's hands
  i.start_helpers();
  return true;
}

}  // namespace cdc
