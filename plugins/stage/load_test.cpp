#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>

#include "artifact/safetensors.hpp"
#include "graph/planner.hpp"
#include "support/graph_stage.hpp"
#include "support/stage_harness.hpp"
#include "support/torch_file.hpp"

namespace {

using cdc::NamedTensor;
using cdc::Value;
using cdc::test::error_of;
using cdc::test::graph_registry;
using cdc::test::GraphStageContext;

/// Loads files into a convolution with its normalisation, and a projection behind it where `head` is set.
class LoadTest : public ::testing::Test {
 protected:
  std::string file() const { return (folder_.path() / "weights").string(); }

  const cdc::PlannedStage& stage(const std::string& parameters, bool head = false) {
    std::string text = R"(
[stage.images]
plugin = "dataset.idx"
root = "/nowhere"
[stage.load]
plugin = "stage.load"
in.data = "images"
path = ")" + file() + "\"\n" +
                       parameters + R"(
[stage.load.graph.views]
plugin = "augment.plain"
[stage.load.graph.encoder]
plugin = "backbone.convnet"
in.images = "views"
channels = [4]
kernels = [3]
strides = [2]
)";
    if (head) text += "[stage.load.graph.head]\nplugin = \"head.student_t\"\nin.features = \"encoder\"\nclusters = 2\n";
    plan_ = cdc::plan_text(text, "test.toml", {}, graph_registry());
    for (const cdc::PlannedStage& s : plan_.stages)
      if (s.name == "load") return s;
    throw cdc::Error("no stage");
  }
  /// The tensors of the encoder by their names in a file.
  static std::vector<NamedTensor> weights(const std::string& start = "") {
    return {{start + "0.0.weight", at::randn({4, 1, 3, 3})},
            {start + "0.1.weight", at::randn({4})},
            {start + "0.1.bias", at::randn({4})},
            {start + "0.1.running_mean", at::randn({4})},
            {start + "0.1.running_var", at::full({4}, 2.0)},
            {start + "0.1.num_batches_tracked", at::full({}, 7, at::kLong)}};
  }
  static cdc::ElementType element_type(at::ScalarType type) {
    switch (type) {
      case at::kLong:
        return cdc::ElementType::int64;
      case at::kInt:
        return cdc::ElementType::int32;
      case at::kChar:
        return cdc::ElementType::int8;
      case at::kHalf:
        return cdc::ElementType::float16;
      case at::kBFloat16:
        return cdc::ElementType::bfloat16;
      case at::kDouble:
        return cdc::ElementType::float64;
      default:
        return cdc::ElementType::float32;
    }
  }
  void write(const std::vector<NamedTensor>& tensors) const {
    std::vector<std::pair<cdc::ArrayInfo, const void*>> arrays;
    for (const NamedTensor& t : tensors)
      arrays.push_back({{t.name, element_type(t.tensor.scalar_type()), t.tensor.sizes().vec()}, t.tensor.data_ptr()});
    cdc::write_safetensors(file(), arrays, Value::table());
  }
  std::shared_ptr<const cdc::Model> load(const std::string& parameters, bool head = false) {
    GraphStageContext context(stage(parameters, head));
    context.run();
    infos_ = context.infos_;
    warnings_ = context.warnings_;
    return context.model_;
  }
  std::string message(const std::string& parameters, bool head = false) {
    return error_of([&] { load(parameters, head); });
  }
  static void expect_loaded(const cdc::Model& model, const std::vector<NamedTensor>& weights) {
    ASSERT_EQ(model.state.size(), weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_TRUE(at::equal(model.state[i].tensor, weights[i].tensor)) << model.state[i].name;
  }

  cdc::test::TemporaryFolder folder_;
  cdc::Plan plan_;
  std::vector<std::string> infos_, warnings_;
};

TEST_F(LoadTest, ANodesTensorsAreFoundBehindTheirPrefix) {
  for (const char* start : {"", "module.", "state_dict.module.encoder_q."}) {
    std::vector<NamedTensor> all = weights(start);
    const std::vector<NamedTensor> own = all;
    if (*start != 0) all.push_back({"other.weight", at::zeros({3})});
    write(all);
    const auto model = load("node = \"encoder\"\n");
    EXPECT_EQ(model->state[0].name, "encoder.0.0.weight");
    expect_loaded(*model, own);
    EXPECT_TRUE(model->state[0].trainable);
    EXPECT_EQ(model->protocol.at("weights"), Value(file()));
    EXPECT_EQ(model->protocol.at("prefix"), Value(start));
    EXPECT_EQ(infos_.back(),
              "6 tensors (0.00 M numbers) of " + file() + ", prefix \"" + start + "\"; " + (*start != 0 ? "1" : "0") + " others there left out");
  }
}

TEST_F(LoadTest, APrefixChoosesAndStateDictNeedNotBeSaid) {
  std::vector<NamedTensor> all = weights("state_dict.module.encoder_q.");
  const std::vector<NamedTensor> own = all;
  for (const NamedTensor& t : weights("state_dict.module.encoder_k.")) all.push_back(t);
  all.push_back({"state_dict.module.encoder_q.fc.0.weight", at::zeros({1})});
  write(all);
  for (const char* prefix : {"module.encoder_q.", "state_dict.module.encoder_q."})
    expect_loaded(*load("node = \"encoder\"\nskip = [\"fc.\"]\nprefix = \"" + std::string(prefix) + "\"\n"), own);
  EXPECT_EQ(message("node = \"encoder\"\n"), "in " + file() +
                                                 " the graph's names stand behind 2 prefixes: 'state_dict.module.encoder_k.', "
                                                 "'state_dict.module.encoder_q.'; set 'prefix' to one of them");
  EXPECT_EQ(message("node = \"encoder\"\nprefix = \"modul.\"\n"),
            "no tensor in " + file() +
                " has a name that begins with prefix = \"modul.\"; they are called 'state_dict.module.encoder_q.0.1.num_batches_tracked', "
                "'state_dict.module.encoder_k.0.1.num_batches_tracked', 'state_dict.module.encoder_q.0.0.weight', ...; names of this graph stand "
                "behind 'state_dict.module.encoder_k.', 'state_dict.module.encoder_q.'");
}

TEST_F(LoadTest, AWholeGraphFromTheWeightsOfARun) {
  std::vector<NamedTensor> all = weights("encoder.");
  all.push_back({"head.centres", at::randn({2, 4})});
  write(all);
  expect_loaded(*load("", true), all);
  all.pop_back();
  expect_loaded(*load("node = \"encoder\"\n"), all);
}

TEST_F(LoadTest, WeightsServeAsThoseOfATrainedModel) {
  write(weights());
  const auto model = load("node = \"encoder\"\n");
  const auto session = cdc::make_graph_session(stage("node = \"encoder\"\n").graph, graph_registry());
  cdc::SessionOptions options;
  options.data = std::make_shared<cdc::test::Pixels>();
  session->build(options);
  const at::Tensor before = session->features("encoder", "features", 60);
  EXPECT_EQ(session->load_state(model->state, cdc::Names::all), 6U);
  EXPECT_FALSE(at::equal(session->features("encoder", "features", 60), before));
}

TEST_F(LoadTest, NumbersOfBatchesMayBeMissing) {
  std::vector<NamedTensor> all = weights();
  all.back().tensor = at::zeros({}, at::kLong);
  std::vector<NamedTensor> without(all.begin(), all.end() - 1);
  write(without);
  expect_loaded(*load("node = \"encoder\"\n"), all);
}

TEST_F(LoadTest, WhatDoesNotFitIsToldAtOnce) {
  std::vector<NamedTensor> all = weights("m.");
  all[0].tensor = at::zeros({4, 3, 3, 3});
  all[1].name = "m.0.1.gamma";
  all.push_back({"m.fc.weight", at::zeros({2})});
  write(all);
  EXPECT_EQ(
      message("node = \"encoder\"\n"),
      file() +
          " (prefix \"m.\"): the weights do not fit this graph: 1 missing: encoder.0.1.weight; 2 unexpected: encoder.0.1.gamma, encoder.fc.weight; 1 "
          "of another shape: encoder.0.0.weight is [4, 1, 3, 3] here, [4, 3, 3, 3] there; set 'node', 'prefix', 'skip' or the graph so that they "
          "agree");
}

TEST_F(LoadTest, FilesThatHoldNothingForTheGraph) {
  write({{"fc.gamma", at::zeros({1})}, {"fc.beta", at::zeros({1})}});
  EXPECT_EQ(
      message("node = \"encoder\"\n"),
      file() +
          " holds nothing for this graph: its tensors are called 'fc.gamma', 'fc.beta', the graph's '0.0.weight', '0.1.weight', '0.1.bias', ...; "
          "set 'node' and the graph's plugins to what it holds");
  write({});
  EXPECT_EQ(message("node = \"encoder\"\n"), file() + " holds no tensor; set 'path' to a file of weights");
  write(weights());
  EXPECT_EQ(message("node = \"views\"\n").substr(0, 40), "test.toml:13:1: error: node 'encoder' is");
  folder_.write("weights", "<html>");
  EXPECT_EQ(message("node = \"encoder\"\n").substr(0, 25 + file().size()), "cannot read the weights in " + file().substr(0, file().size() - 2));
}

TEST_F(LoadTest, FractionsOfAnyWidthAreConvertedAndThatIsSaid) {
  std::vector<NamedTensor> all = weights();
  const std::vector<NamedTensor> own = all;
  all[0].tensor = own[0].tensor.to(at::kDouble);
  all[3].tensor = own[3].tensor.to(at::kDouble);
  for (const auto& [i, type] : {std::pair(1, at::kHalf), std::pair(2, at::kBFloat16), std::pair(5, at::kInt)})
    all[static_cast<std::size_t>(i)].tensor = own[static_cast<std::size_t>(i)].tensor.to(type);
  write(all);
  const auto model = load("node = \"encoder\"\n");
  for (const std::size_t same : {0, 3, 4, 5}) EXPECT_TRUE(at::equal(model->state[same].tensor, own[same].tensor)) << same;
  EXPECT_TRUE(at::equal(model->state[1].tensor, all[1].tensor.to(at::kFloat)));
  EXPECT_TRUE(at::equal(model->state[2].tensor, all[2].tensor.to(at::kFloat)));
  EXPECT_EQ(model->state[1].tensor.scalar_type(), at::kFloat);
  EXPECT_EQ(infos_.back(), "6 tensors (0.00 M numbers) of " + file() +
                               ", prefix \"\"; 0 others there left out; 1 of bfloat16 converted; 1 of float16 converted; 2 of float64 converted");
}

TEST_F(LoadTest, NumbersThatCannotBeSuchWeightsAreRefused) {
  const auto said = [&](std::size_t which, const at::Tensor& tensor) {
    std::vector<NamedTensor> all = weights();
    all[which].tensor = tensor;
    write(all);
    return message("node = \"encoder\"\n");
  };
  const std::string start = file() + ": one tensor holds ";
  const auto integers = [&](const char* type) {
    return start + "integers where the graph has fractions: 'encoder.0.0.weight (" + type +
           ")'; they are quantized, or something else of these names: save the weights as float32 in Python, quantized ones after dequantize()";
  };
  EXPECT_EQ(said(0, at::full({4, 1, 3, 3}, 7, at::kChar)), integers("int8"));
  EXPECT_EQ(said(0, at::full({4, 1, 3, 3}, 7, at::kLong)), integers("int64"));
  EXPECT_EQ(said(5, at::full({}, 7.5)), start +
                                            "fractions where the graph has counts: 'encoder.0.1.num_batches_tracked (float32)'; leave them out by "
                                            "'skip', or save them as int64");
  std::vector<NamedTensor> whole = weights();
  whole[5].tensor = at::full({}, 7.0);  // a count all the same
  write(whole);
  EXPECT_EQ(load("node = \"encoder\"\n")->state[5].tensor.item<std::int64_t>(), 7);
  const std::string failed = "NaN or infinity: 'encoder.0.1.bias (float32)'; the training that made them failed: take an earlier file of it";
  EXPECT_EQ(said(2, at::full({4}, std::nan(""))), start + failed);
  EXPECT_EQ(said(2, at::full({4}, INFINITY)), start + failed);
  EXPECT_EQ(said(2, at::full({4}, 1e300, at::kDouble)),
            start + "numbers that are beyond those of float32: 'encoder.0.1.bias (float64)'; such weights cannot be used here");
  const std::string shape = file() + " (prefix \"\"): the weights do not fit this graph: 1 of another shape: encoder.0.1.bias is [4] here, [0] there";
  EXPECT_EQ(said(2, at::zeros({0})).substr(0, shape.size()), shape);
}

TEST_F(LoadTest, NumbersThatAreNotReadAreNamedByTheirType) {
  using namespace cdc::test::torch_file;
  const std::string w = storage("FloatStorage", "0", 36);
  std::vector<std::pair<std::string, std::string>> entries = {{"0.0.weight", tensor(w, 0, {4, 1, 3, 3}, {0, 0, 0, 0})}};  // of one number
  for (const char* name : {"0.1.weight", "0.1.bias", "0.1.running_mean", "0.1.running_var"}) entries.emplace_back(name, tensor(w, 0, {4}, {1}));
  std::string numbers;
  for (int i = 0; i < 36; ++i) numbers += little(0x3f800000U + static_cast<std::uint32_t>(i));
  folder_.write("weights", saved(ordered(entries), {{"0", numbers}}));
  EXPECT_TRUE(at::equal(load("node = \"encoder\"\n")->state[0].tensor, at::full({4, 1, 3, 3}, 1.0)));
  for (const auto& [type, made] :
       {std::pair("torch.QInt8Storage", call(global("torch._utils", "_rebuild_qtensor"), {storage("QInt8Storage", "1", 4), integer(0)})),
        std::pair("torch.ComplexFloatStorage", tensor(storage("ComplexFloatStorage", "1", 4), 0, {4}, {1})),
        std::pair("torch.float8_e4m3fn",
                  call(global("torch._utils", "_rebuild_tensor_v3"), {storage("UntypedStorage", "1", 4), integer(0), integers({4}), integers({1}),
                                                                      "\x89", "}", global("torch", "float8_e4m3fn")}))}) {
    entries[1].second = made;
    folder_.write("weights", saved(ordered(entries), {{"0", numbers}}));
    EXPECT_EQ(message("node = \"encoder\"\n"),
              "in " + file() + " '0.1.weight' holds numbers of the type " + type +
                  ", which are not read here (complex, quantized or of 8 bits); convert it in Python, tensor.dequantize().float(), or leave it out, "
                  "skip = [\"0.1.weight\"]");
  }
}

TEST_F(LoadTest, WeightsOfAnotherNetworkAreCalledSo) {
  const auto said = [&](const std::vector<std::string>& names) {
    std::vector<NamedTensor> all;
    for (const std::string& name : names) all.push_back({name, at::zeros({1})});
    write(all);
    const std::string text = message("node = \"encoder\"\n"), start = file() + " holds nothing for this graph: these look like the weights of ";
    EXPECT_EQ(text.substr(0, start.size()), start);
    return text.substr(start.size(), text.find(';') - start.size());
  };
  const std::string other =
      ", and the graph has a plain convolutional network: no backbone here is one, so get weights of one that cdc-inspect lists";
  EXPECT_EQ(said({"cls_token", "pos_embed", "blocks.0.attn.qkv.weight"}), "a vision transformer" + other);
  EXPECT_EQ(said({"model.encoder.layers.encoder_layer_0.self_attention.in_proj_weight"}), "a vision transformer" + other);
  EXPECT_EQ(said({"layers.0.blocks.0.attn.relative_position_bias_table"}), "a Swin transformer" + other);
  EXPECT_EQ(said({"stages.0.0.dwconv.weight", "stages.0.0.gamma"}), "a ConvNeXt" + other);
  EXPECT_EQ(said({"_conv_stem.weight", "_blocks.0._depthwise_conv.weight"}), "an EfficientNet" + other);
  EXPECT_EQ(said({"features.0.weight", "classifier.6.weight"}), "a VGG" + other);
  const auto resnet = [](const std::vector<int>& blocks, int convolutions) {
    std::vector<std::string> names;
    for (std::size_t layer = 0; layer < blocks.size(); ++layer)
      for (int block = 0; block < blocks[layer]; ++block)
        for (int i = 1; i <= convolutions; ++i) names.push_back(fmt::format("module.encoder_q.layer{}.{}.conv{}.weight", layer + 1, block, i));
    return names;
  };
  const auto known = [](const char* depth) {
    return fmt::format("a ResNet-{0}, and the graph has a plain convolutional network: set plugin = \"backbone.resnet{0}\", or get others", depth);
  };
  EXPECT_EQ(said(resnet({2, 2, 2, 2}, 2)), known("18"));
  EXPECT_EQ(said(resnet({3, 4, 6, 3}, 2)), known("34"));
  EXPECT_EQ(said(resnet({3, 4, 6, 3}, 3)), known("50"));
  EXPECT_EQ(said(resnet({3, 4, 23, 3}, 3)), "a ResNet-101" + other);
  EXPECT_EQ(said(resnet({1, 1, 1, 1}, 2)), "a ResNet of 4 blocks" + other);
}

TEST_F(LoadTest, APrefixThatIsWrongSaysWhichIsRight) {
  write(weights("module.encoder_q."));
  EXPECT_EQ(message("node = \"encoder\"\nprefix = \"encoder_q.\"\n"),
            "no tensor in " + file() +
                " has a name that begins with prefix = \"encoder_q.\"; they are called 'module.encoder_q.0.1.num_batches_tracked', "
                "'module.encoder_q.0.0.weight', 'module.encoder_q.0.1.weight', ...; names of this graph stand behind 'module.encoder_q.'");
  EXPECT_EQ(message("node = \"encoder\"\nprefix = \"module.encoder_q\"\n"),
            "behind prefix = \"module.encoder_q\" names in " + file() + " begin with a dot: write prefix = \"module.encoder_q.\"");
}

TEST_F(LoadTest, WhatTheGraphHasNoPlaceForCanBeSkipped) {
  std::vector<NamedTensor> all = weights();
  all.push_back({"fc.weight", at::zeros({2})});
  all.push_back({"fc.bias", at::zeros({2})});
  write(all);
  EXPECT_EQ(message("node = \"encoder\"\n"),
            file() +
                " (prefix \"\"): the weights do not fit this graph: 2 unexpected: encoder.fc.bias, encoder.fc.weight; "
                "all else fits: skip = [\"fc.\"] leaves those out");
  EXPECT_EQ(load("node = \"encoder\"\nskip = [\"fc.\"]\n")->state.size(), 6U);
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(load("node = \"encoder\"\nskip = [\"fc.\", \"classifier.\"]\n")->state.size(), 6U);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_EQ(warnings_[0], "skip = [\"classifier.\"] leaves nothing out: no name in " + file() + " begins so behind the prefix \"\"");
}

TEST_F(LoadTest, WhatWouldHaveToBeRunIsNamed) {
  using namespace cdc::test::torch_file;
  const std::string w = storage("FloatStorage", "0", 36);
  std::vector<std::pair<std::string, std::string>> entries = {{"0.0.weight", tensor(w, 0, {4, 1, 3, 3}, {9, 9, 3, 1})}};
  for (const char* name : {"0.1.weight", "0.1.bias", "0.1.running_mean", "0.1.running_var"}) entries.emplace_back(name, tensor(w, 0, {4}, {1}));
  entries.emplace_back("scale", call(global("numpy.core.multiarray", "_reconstruct"), {}));
  const auto put = [&] {
    folder_.write("weights", saved(dictionary({{"args", call(global("argparse", "Namespace"), {})}, {"model", ordered(entries)}}),
                                   {{"0", std::string(144, '\0')}}));
  };
  put();
  EXPECT_EQ(
      message("node = \"encoder\"\n"),
      "in " + file() +
          " 'model.scale' is no tensor, but made by Python's numpy.core.multiarray._reconstruct, which is not run; save it as a tensor, or leave "
          "it out, skip = [\"scale\"]");
  EXPECT_EQ(load("node = \"encoder\"\nskip = [\"scale\"]\n")->state.size(), 6U);
}

TEST_F(LoadTest, TheFileIsPartOfTheKey) {
  const cdc::PlannedStage& planned = stage("node = \"encoder\"\n");
  const auto made = graph_registry().create(*planned.info, planned.parameters);
  const auto& load = dynamic_cast<const cdc::Stage&>(*made);
  EXPECT_EQ(error_of([&] { load.files(); }), "there is no file " + file() + ": get it, or set 'path' to where it is");
  ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { load.files(); }), file() + " is a folder, pipe or device: set 'path' to a regular file of weights");
  std::filesystem::remove(file());
  write(weights());
  EXPECT_EQ(load.files(), std::vector<std::filesystem::path>{file()});
}

TEST_F(LoadTest, AGraphWithoutWeights) {
  write(weights());
  const std::string text = R"(
[stage.images]
plugin = "dataset.idx"
root = "/nowhere"
[stage.load]
plugin = "stage.load"
in.data = "images"
path = ")" + file() + "\"\n[stage.load.graph.views]\nplugin = \"augment.plain\"\n";
  for (const bool named : {false, true}) {
    plan_ =
        cdc::plan_text(text, "test.toml", named ? std::vector<std::string>{"stage.load.node=views"} : std::vector<std::string>{}, graph_registry());
    GraphStageContext context(plan_.stages.back());
    EXPECT_EQ(error_of([&] { context.run(); }), named ? "node 'views' has no weights" : "no node of the graph has weights");
  }
}

}  // namespace
