#include "data/batch_pipeline.hpp"

#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <numeric>
#include <thread>

#include "cdc/error.hpp"
#include "cdc/random.hpp"

namespace {

using cdc::BatchPipeline;
using cdc::BatchRequest;
using cdc::RenderedBatch;

/// Image i has all pixels i; those of `damaged` cannot be read.
class Numbers final : public cdc::Dataset {
 public:
  explicit Numbers(std::int64_t n) : n_(n) {}
  std::int64_t size() const override { return n_; }
  int channels() const override { return 1; }
  std::array<int, 2> image_size() const override { return {2, 2}; }
  cdc::Image image(std::int64_t i) const override {
    ++read;
    if (before_read) before_read(i);
    if (i == damaged) throw cdc::Error(sample_name(i) + ": damaged");
    std::shared_ptr<std::uint8_t> p(new std::uint8_t[4], std::default_delete<std::uint8_t[]>());
    std::fill_n(p.get(), 4, static_cast<std::uint8_t>(i));
    return {2, 2, channels_given, p};
  }
  const std::vector<std::int32_t>& labels() const override { return labels_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string split() const override { return "train"; }
  std::string sample_name(std::int64_t i) const override { return "numbers#" + std::to_string(i); }

  std::int64_t damaged = -1;
  int channels_given = 1;
  std::function<void(std::int64_t)> before_read;
  mutable std::atomic<std::int64_t> read{0};

 private:
  std::int64_t n_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_;
};

/// Pixels that tell all of the key.
class Keys final : public cdc::Augment {
 public:
  explicit Keys(int views) : views_(views) {}
  int views() const override { return views_; }
  std::array<int, 2> output_size(int, int) const override { return {1, 3}; }
  void render(const cdc::Image& image, const cdc::ViewKey& key, int, int, float* out) const override {
    if (image.row(0)[0] == throws_at) throw std::runtime_error("no such view");
    if (image.row(0)[0] == throws_odd_at) throw 7;
    cdc::Random random(key.seed, static_cast<std::uint64_t>(key.epoch), static_cast<std::uint64_t>(key.sample), static_cast<std::uint32_t>(key.view));
    out[0] = image.row(0)[0];
    out[1] = static_cast<float>(key.view);
    out[2] = static_cast<float>(random.uniform());
  }
  void render_plain(const cdc::Image& image, int, int, float* out) const override {
    out[0] = image.row(0)[0];
    out[1] = -1;
    out[2] = -1;
  }
  int throws_at = -1, throws_odd_at = -1;

 private:
  int views_;
};

std::vector<std::int64_t> shuffled(std::int64_t n) { return cdc::Random(5).permutation(n); }

BatchRequest request(std::shared_ptr<const cdc::Dataset> data, std::vector<const cdc::Augment*> augments, std::int64_t batch_size, bool training) {
  BatchRequest r;
  r.order = shuffled(data->size());
  r.data = std::move(data);
  r.sizes.assign(augments.size(), {1, 3});
  r.augments = std::move(augments);
  r.batch_size = batch_size;
  r.training = training;
  r.seed = 11;
  r.epoch = 4;
  return r;
}

/// All floats of all batches from `first` on, rendered in an arena of that many threads.
std::vector<std::vector<float>> render_all(BatchRequest r, int threads, std::int64_t first = 0) {
  std::vector<std::vector<float>> all;
  r.first_batch = first;
  oneapi::tbb::task_arena arena(threads);
  arena.execute([&] {
    BatchPipeline pipeline(r);
    RenderedBatch batch;
    for (std::int64_t number = first; pipeline.next(batch); ++number) {
      EXPECT_EQ(batch.number, number);
      all.emplace_back();
      for (std::size_t a = 0; a < r.augments.size(); ++a) {
        const int views = r.training ? r.augments[a]->views() : 1;
        const auto n = static_cast<std::ptrdiff_t>(views) * static_cast<std::ptrdiff_t>(batch.samples.size()) * 3;
        all.back().insert(all.back().end(), batch.views[a].get(), batch.views[a].get() + n);
      }
    }
    EXPECT_FALSE(pipeline.next(batch));
    EXPECT_TRUE(batch.views.empty());
  });
  return all;
}

class BatchPipelineTest : public ::testing::Test {
 protected:
  // More workers than this machine may have cores: that is what shows races.
  oneapi::tbb::global_control workers{oneapi::tbb::global_control::max_allowed_parallelism, 16};
};

TEST_F(BatchPipelineTest, LaysViewsOutAndLeavesTheRestOut) {
  const Keys two(2), one(1);
  BatchRequest r = request(std::make_shared<Numbers>(10), {&two, &one}, 4, true);
  BatchPipeline pipeline(r);
  EXPECT_EQ(pipeline.batches(), 2);
  RenderedBatch batch;
  for (int number = 0; number < 2; ++number) {
    ASSERT_TRUE(pipeline.next(batch));
    ASSERT_EQ(batch.views.size(), 2u);
    EXPECT_EQ(batch.samples, std::vector<std::int64_t>(r.order.begin() + 4 * number, r.order.begin() + 4 * number + 4));
    for (const auto& view : batch.views) EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.get()) % 64, 0u);
    for (int v = 0; v < 3; ++v) {
      for (int b = 0; b < 4; ++b) {
        const float* p = batch.views[v / 2].get() + ((v % 2) * 4 + b) * 3;
        const std::int64_t sample = batch.samples[static_cast<std::size_t>(b)];
        EXPECT_EQ(p[0], static_cast<float>(sample));
        EXPECT_EQ(p[1], static_cast<float>(v));  // numbered over both augmentations
        EXPECT_EQ(p[2], static_cast<float>(cdc::Random(11, 4, static_cast<std::uint64_t>(sample), static_cast<std::uint32_t>(v)).uniform()));
      }
    }
  }
  EXPECT_FALSE(pipeline.next(batch));
}

TEST_F(BatchPipelineTest, EvaluationSeesOnePlainViewOfAll) {
  const Keys two(2);
  const auto all = render_all(request(std::make_shared<Numbers>(10), {&two}, 4, false), 4);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2].size(), 2u * 3);
  const auto order = shuffled(10);
  EXPECT_EQ(all[2], (std::vector<float>{static_cast<float>(order[8]), -1, -1, static_cast<float>(order[9]), -1, -1}));
}

TEST_F(BatchPipelineTest, BitsDoNotDependOnThreadsOrOnWhereTheEpochIsTakenUp) {
  const Keys two(2), three(3);
  for (const bool training : {true, false}) {
    BatchRequest r = request(std::make_shared<Numbers>(251), {&two, &three}, 16, training);
    const auto expected = render_all(r, 1);
    EXPECT_EQ(expected.size(), training ? 15u : 16u);
    for (const int threads : {2, 16}) {
      for (const int flight : {1, 2, 7}) {
        r.batches_in_flight = flight;
        EXPECT_EQ(render_all(r, threads), expected) << threads << ' ' << flight;
      }
    }
    for (const std::int64_t first : {1, 9, static_cast<int>(expected.size())}) {
      EXPECT_EQ(render_all(r, 3, first), std::vector<std::vector<float>>(expected.begin() + first, expected.end())) << first;
    }
  }
}

TEST_F(BatchPipelineTest, ADamagedSampleComesOutOfNextAfterTheBatchesBeforeIt) {
  const Keys two(2);
  for (const int threads : {1, 8}) {
    const auto data = std::make_shared<Numbers>(64);
    BatchRequest r = request(data, {&two}, 8, true);
    data->damaged = r.order[8 * 3 + 5];
    oneapi::tbb::task_arena arena(threads);
    arena.execute([&] {
      BatchPipeline pipeline(r);
      RenderedBatch batch;
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(pipeline.next(batch));
      for (int again = 0; again < 2; ++again) {
        try {
          pipeline.next(batch);
          FAIL() << "no exception";
        } catch (const cdc::Error& error) {
          EXPECT_EQ(std::string(error.what()), "numbers#" + std::to_string(data->damaged) + ": damaged");
        }
      }
    });
  }
}

TEST_F(BatchPipelineTest, TheFirstOfSeveralErrorsIsTheOneThatComesOut) {
  const auto data = std::make_shared<Numbers>(200);
  Keys keys(1);
  BatchRequest r = request(data, {&keys}, 100, true);
  for (int round = 0; round < 20; ++round) {
    data->damaged = r.order[90];
    keys.throws_at = static_cast<int>(r.order[10]);
    oneapi::tbb::task_arena arena(8);
    arena.execute([&] {
      BatchPipeline pipeline(r);
      RenderedBatch batch;
      try {
        pipeline.next(batch);
        FAIL() << "no exception";
      } catch (const cdc::Error& error) {
        EXPECT_EQ(std::string(error.what()), "numbers#" + std::to_string(r.order[10]) + ": no such view");
      }
    });
  }
}

TEST_F(BatchPipelineTest, NamesTheSampleOfAnUnknownExceptionAndOfWrongChannels) {
  const auto data = std::make_shared<Numbers>(8);
  Keys keys(1);
  keys.throws_odd_at = 3;
  BatchRequest r = request(data, {&keys}, 8, true);
  RenderedBatch batch;
  const auto text = [&] {
    try {
      BatchPipeline(r).next(batch);
    } catch (const cdc::Error& error) {
      return std::string(error.what());
    }
    return std::string("no exception");
  };
  EXPECT_EQ(text(), "numbers#3: loading it ended with an unknown exception");
  keys.throws_odd_at = -1;
  data->channels_given = 3;
  EXPECT_EQ(text(), "numbers#" + std::to_string(r.order[0]) + ": has 3 channels, but the data set says 1");
}

TEST_F(BatchPipelineTest, RendersWhatIsPickedInTheBatchsOrder) {
  const Keys keys(1), picked(1);
  const auto data = std::make_shared<Numbers>(8);
  for (const bool training : {true, false}) {
    BatchRequest r = request(data, {&keys, &picked}, 4, training);
    r.epoch = 3;
    r.picks.resize(2);
    r.picks[1] = [](std::int64_t epoch, std::int64_t sample) { return (sample + epoch) % 8; };
    BatchPipeline pipeline(r);
    RenderedBatch batch;
    ASSERT_TRUE(pipeline.next(batch));
    for (std::int64_t i = 0; i < 4; ++i) {
      const std::int64_t sample = batch.samples[static_cast<std::size_t>(i)];
      const auto pixel = [&](std::size_t a) { return batch.views[a].get()[i * 3]; };
      EXPECT_EQ(pixel(0), data->image(sample).pixels.get()[0]);
      EXPECT_EQ(pixel(1), data->image(training ? (sample + 3) % 8 : sample).pixels.get()[0]) << (training ? "picked" : "evaluation sees each itself");
    }
  }
}

TEST_F(BatchPipelineTest, RefusesAWrongRequest) {
  const Keys keys(1);
  const auto data = std::make_shared<Numbers>(8);
  const auto text = [&](const std::function<void(BatchRequest&)>& change) {
    BatchRequest r = request(data, {&keys}, 4, true);
    change(r);
    try {
      BatchPipeline pipeline(r);
    } catch (const cdc::Error& error) {
      return std::string(error.what());
    }
    return std::string("no exception");
  };
  EXPECT_EQ(text([](BatchRequest& r) { r.data = nullptr; }), "a batch pipeline needs a data set");
  EXPECT_EQ(text([](BatchRequest& r) { r.batch_size = 0; }), "batch_size is 0; it must be at least 1");
  EXPECT_EQ(text([](BatchRequest& r) { r.sizes.clear(); }), "1 augmentations, but 0 sizes");
  EXPECT_EQ(text([](BatchRequest& r) { r.picks.resize(2); }), "1 augmentations, but picks for 2");
  EXPECT_EQ(text([](BatchRequest& r) {
              r.sizes[0] = {0, 0};
            }),
            "views of 0 x 0 cannot be rendered; the images differ in size: set the augmentation's size");
  EXPECT_EQ(text([](BatchRequest& r) { r.batch_size = 9; }), "batch_size is 9, but there are only 8 samples; set a smaller one");
  EXPECT_EQ(text([](BatchRequest& r) { r.order[3] = 8; }), "sample 8 of a data set of 8");
  EXPECT_EQ(text([](BatchRequest& r) { r.first_batch = 3; }), "batch 3 of an epoch of 2");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their allocators abort instead
TEST_F(BatchPipelineTest, SaysThatMemoryIsShort) {
  const Keys one(1);
  BatchRequest r = request(std::make_shared<Numbers>(8), {&one}, 4, true);
  r.sizes[0] = {1 << 28, 1 << 26};
  try {
    BatchPipeline pipeline(r);
    FAIL() << "no exception";
  } catch (const cdc::Error& error) {
    EXPECT_EQ(std::string(error.what()), "no memory for a batch of 288230376151711744 bytes; set a smaller batch_size");
  }
}
#endif

TEST_F(BatchPipelineTest, EndsEarlyWithoutRenderingTheRest) {
  const Keys two(2);
  for (const int threads : {1, 8}) {
    const auto data = std::make_shared<Numbers>(250);
    data->before_read = [](std::int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
    BatchRequest r = request(data, {&two}, 125, true);
    oneapi::tbb::task_arena arena(threads);
    arena.execute([&] {
      RenderedBatch kept;
      {
        BatchPipeline pipeline(r);
        if (threads == 1) {
          ASSERT_TRUE(pipeline.next(kept));
        }
      }
      if (threads == 1) {
        EXPECT_EQ(kept.views[0].get()[0], static_cast<float>(r.order[0]));  // a buffer outlives its pipeline
      }
    });
    EXPECT_LT(data->read, threads == 1 ? 126 : 200);  // at most what was begun
  }
}

TEST_F(BatchPipelineTest, RendersAheadButNoMoreThanAsked) {
  const Keys one(1);
  const auto data = std::make_shared<Numbers>(200);
  BatchRequest r = request(data, {&one}, 10, true);
  r.batches_in_flight = 3;
  oneapi::tbb::task_arena arena(4);
  arena.execute([&] {
    BatchPipeline pipeline(r);
    RenderedBatch batch;
    std::vector<const float*> buffers;
    for (int number = 0; pipeline.next(batch); ++number) {
      buffers.push_back(batch.views[0].get());
      const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(10);
      const std::int64_t ahead = std::min(200, 10 * (number + 1 + 3));
      while (data->read < ahead && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      EXPECT_EQ(data->read, ahead);  // rendered without anyone asking ...
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      EXPECT_EQ(data->read, ahead);  // ... and not beyond
    }
    std::sort(buffers.begin(), buffers.end());
    EXPECT_LE(std::unique(buffers.begin(), buffers.end()) - buffers.begin(), 4);  // three in flight and one in hand: buffers come back
  });
}

TEST_F(BatchPipelineTest, CountsTheTimeThatTheConsumerWaits) {
  const Keys one(1);
  const auto data = std::make_shared<Numbers>(40);
  BatchRequest r = request(data, {&one}, 10, true);
  RenderedBatch batch;
  {
    data->before_read = [](std::int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
    oneapi::tbb::task_arena arena(1);
    arena.execute([&] {
      BatchPipeline pipeline(r);
      while (pipeline.next(batch)) {
      }
      EXPECT_GE(pipeline.seconds_waited(), 0.08);  // one thread renders all itself
    });
  }
  // A busy machine may take the time from whoever waits: once in many attempts it does not.
  double least = 1;
  for (int attempt = 0; attempt < 200 && least >= 0.02; ++attempt) {
    data->before_read = nullptr;
    data->read = 0;
    oneapi::tbb::task_arena arena(4);
    arena.execute([&] {
      BatchPipeline pipeline(r);
      const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(10);
      while (data->read < 20 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ASSERT_TRUE(pipeline.next(batch));
      least = std::min(least, pipeline.seconds_waited());
    });
  }
  EXPECT_LT(least, 0.02);  // it was there already
}

}  // namespace
