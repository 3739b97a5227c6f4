#include "artifact/weights.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstring>
#include <functional>

#include "artifact/safetensors.hpp"
#include "cdc/random.hpp"
#include "support/stage_harness.hpp"
#include "support/torch_file.hpp"

namespace cdc {
namespace {

using namespace test::torch_file;

/// An array's numbers in the order of its shape.
template <class T>
std::vector<T> numbers(const WeightArray& array) {
  std::int64_t count = 1;
  for (const std::int64_t size : array.shape) count *= size;
  std::vector<T> all;
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t rest = i, at = 0;
    for (std::size_t d = array.shape.size(); d-- > 0; rest /= array.shape[d]) at += rest % array.shape[d] * array.strides[d];
    all.push_back(static_cast<const T*>(array.data.get())[at]);
  }
  return all;
}

const WeightArray& find(const WeightArrays& all, const std::string& name) {
  for (const WeightArray& one : all.arrays)
    if (one.name == name) return one;
  throw Error("no array " + name);
}

class WeightsTest : public ::testing::Test {
 protected:
  WeightArrays read(const std::string& bytes) const {
    std::filesystem::remove(folder_.path() / "file");  // what replaces a file is flushed to the disk, which takes its time
    return read_weight_arrays(folder_.write("file", bytes));
  }
  /// What is said of these bytes, behind the file's name.
  std::string message(const std::string& bytes) const {
    const std::string all = test::error_of([&] { read(bytes); }), start = "cannot read the weights in " + (folder_.path() / "file").string() + ": ";
    EXPECT_EQ(all.substr(0, start.size()), start);
    return all.substr(std::min(start.size(), all.size()));
  }
  std::string message_of_object(const std::string& object) const { return message(saved(object, {{"0", std::string(24, '\1')}})); }
  static std::string damaged(const std::string& what) { return "it is damaged or cut off (" + what + "); get it anew"; }
  test::TemporaryFolder folder_;
};

// ---- safetensors --------------------------------------------------------------------------------------------------------------------------

std::string safetensors(const std::string& header, const std::string& data) {
  return little(static_cast<std::uint64_t>(header.size())) + header + data;
}

TEST_F(WeightsTest, SafetensorsComeBackAsWritten) {
  const float w[6] = {1, 2, 3, 4, 5, 6};
  const std::int64_t n = -7;
  const std::uint8_t b[3] = {0, 1, 1};
  const std::uint16_t half = 0x3c00;
  write_safetensors(folder_.path() / "a",
                    {{{"w", ElementType::float32, {2, 3}}, w},
                     {{"b", ElementType::boolean, {3}}, b},
                     {{"h", ElementType::bfloat16, {1}}, &half},
                     {{"n", ElementType::int64, {}}, &n},
                     {{"none", ElementType::float64, {0, 5}}, nullptr}},
                    Value::Table{{"format", "pt"}});
  const WeightArrays all = read_weight_arrays(folder_.path() / "a");
  ASSERT_EQ(all.arrays.size(), 5U);
  EXPECT_TRUE(all.unread.empty());
  EXPECT_EQ(numbers<float>(find(all, "w")), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(find(all, "w").strides, (std::vector<std::int64_t>{3, 1}));
  EXPECT_EQ(numbers<std::int64_t>(find(all, "n")), std::vector<std::int64_t>{-7});
  EXPECT_EQ(numbers<std::uint8_t>(find(all, "b")), (std::vector<std::uint8_t>{0, 1, 1}));
  EXPECT_EQ(find(all, "h").type, ElementType::bfloat16);
  EXPECT_EQ(numbers<std::uint16_t>(find(all, "h")), std::vector<std::uint16_t>{0x3c00});
  EXPECT_EQ(find(all, "none").shape, (std::vector<std::int64_t>{0, 5}));
}

TEST_F(WeightsTest, SafetensorsThatLieUnalignedAreCopied) {
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  const WeightArrays all = read(safetensors(header, "\7" + bytes_of<float>({2.5F})));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(find(all, "w").data.get()) % 4, 0U);
  EXPECT_EQ(numbers<float>(find(all, "w")), std::vector<float>{2.5F});
}

TEST_F(WeightsTest, SafetensorsThatAreWrongAreSaid) {
  const std::string one = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", eight(8, '\0');
  EXPECT_EQ(read(safetensors(one, eight)).arrays.size(), 1U);
  EXPECT_EQ(message(safetensors(one, eight.substr(1))), damaged("'w' reaches beyond the end"));
  EXPECT_EQ(message(safetensors(one, eight + " ")), damaged("bytes at its end belong to no tensor"));
  EXPECT_EQ(message(little(std::uint64_t{1} << 63) + one), damaged("its header reaches beyond the end"));
  EXPECT_EQ(message(safetensors("{\"w\":}", "")).rfind("it is damaged or cut off (its header is not JSON at line 1, column 6", 0), 0U);
  EXPECT_EQ(message(safetensors(R"({"w":{"shape":[2],"data_offsets":[0,8]}})", eight)),
            damaged("what its header says of 'w': the table has no entry 'dtype'"));
  EXPECT_EQ(message(safetensors(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", eight)),
            damaged("what its header says of 'w': two data_offsets are needed"));
  EXPECT_EQ(message(safetensors(R"({"w":{"dtype":"F8_E5M2","shape":[8],"data_offsets":[0,8]}})", eight)),
            "its tensor 'w' has elements of the type F8_E5M2, which is not read here; convert it to F32 in Python");
  for (const char* wrong : {R"("shape":[2],"data_offsets":[0,7])", R"("shape":[2],"data_offsets":[8,0])", R"("shape":[-2],"data_offsets":[0,8])",
                            R"("shape":[2],"data_offsets":[-8,0])", R"("shape":[4611686018427387904,4],"data_offsets":[0,0])"})
    EXPECT_EQ(message(safetensors(std::string(R"({"w":{"dtype":"F32",)") + wrong + "}}", eight)),
              damaged("the place of 'w' is not that of its shape"))
        << wrong;
  const auto two = [](int begin) {
    return R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[)" + std::to_string(begin) + "," +
           std::to_string(begin + 4) + "]}}";
  };
  EXPECT_EQ(message(safetensors(two(3), std::string(7, '\0'))), damaged("'b' overlaps another tensor"));
  EXPECT_EQ(message(safetensors(two(5), std::string(9, '\0'))), damaged("bytes before 'b' belong to no tensor"));
}

// ---- torch.save() -------------------------------------------------------------------------------------------------------------------------

TEST_F(WeightsTest, DictionariesBecomeNames) {
  const std::string floats = bytes_of<float>({1, 2, 3, 4, 5, 6});
  const std::string w = storage("FloatStorage", "0", 6);
  // A checkpoint: numbers, texts, lists, a state with attributes, an optimizer's tensors under numbers, a parameter.
  const std::string state = ordered({{"module.fc.weight", tensor(w, 0, {2, 3}, {3, 1})}, {"module.fc.bias", tensor(w, 3, {2}, {1})}});
  const std::string object =
      dictionary({{"epoch", "K\x03"},
                  {"arch", "U\x08resnet50"},
                  {"best", "G" + std::string(8, '\0')},
                  {"big", "\x8a\x09" + std::string(9, '\1')},
                  {"state_dict", state + dictionary({{"_metadata", ordered({})}}) + "b"},
                  {"optimizer", "}" + integer(5) + dictionary({{"momentum", tensor(w, 0, {3, 2}, {1, 3})}}) + "s"},
                  {"list", list({"N", call(global("torch._utils", "_rebuild_parameter"), {tensor(w, 5, {}, {}), "\x88", "N"})})},
                  {"python2", call(global("collections", "OrderedDict"), {list({list({text("a"), tensor(w, 0, {0, 7}, {7, 1})})})})}});
  const std::vector<std::pair<const char*, WeightArrays>> read_both = {{"zip", read(saved(object, {{"0", floats}}))},
                                                                       {"zip64", read(saved(object, {{"0", floats}}, {true, true}))},
                                                                       {"old", read(saved_before_1_6(object, {{"0", 6, floats}}))}};
  for (const auto& [kind, all] : read_both) {
    SCOPED_TRACE(kind);
    std::vector<std::string> names;
    for (const WeightArray& one : all.arrays) names.push_back(one.name);
    EXPECT_EQ(names,
              (std::vector<std::string>{"state_dict.module.fc.weight", "state_dict.module.fc.bias", "optimizer.5.momentum", "list.1", "python2.a"}));
    EXPECT_TRUE(all.unread.empty());
    EXPECT_EQ(numbers<float>(all.arrays[0]), (std::vector<float>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(numbers<float>(all.arrays[1]), (std::vector<float>{4, 5}));
    EXPECT_EQ(numbers<float>(all.arrays[2]), (std::vector<float>{1, 4, 2, 5, 3, 6}));
    EXPECT_EQ(numbers<float>(all.arrays[3]), std::vector<float>{6});
    EXPECT_EQ(all.arrays[4].shape, (std::vector<std::int64_t>{0, 7}));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(all.arrays[0].data.get()) % 4, 0U);
  }
}

TEST_F(WeightsTest, NothingOfAPickleIsExecuted) {
  const std::string evil = call(global("os", "system"), {text("touch " + (folder_.path() / "executed").string())});
  const std::string object =
      dictionary({{"w", tensor(storage("FloatStorage", "0", 6), 0, {6}, {1})},
                  {"evil", evil},
                  {"class", global("argparse", "Namespace")},
                  {"made", global("argparse", "Namespace") + ")\x81" + dictionary({{"lr", integer(1)}}) + "b"},
                  {"filled", call(global("collections", "defaultdict"), {}) + "(" + text("a") + "K\1u"},
                  {"called", call(evil, {})},
                  {"text", call(text("os.system"), {})},
                  {"complex", tensor(storage("ComplexFloatStorage", "1", 3), 0, {3}, {1})},
                  {"quantized", call(global("torch._utils", "_rebuild_qtensor"), {storage("QInt8Storage", "2", 3), integer(0)})},
                  {"float8", call(global("torch._utils", "_rebuild_tensor_v3"), {storage("UntypedStorage", "3", 3), integer(0), integers({3}),
                                                                                 integers({1}), "\x89", "}", global("torch", "float8_e4m3fn")})}});
  const WeightArrays all = read(saved(object, {{"0", std::string(24, '\0')}}));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "executed"));
  ASSERT_EQ(all.arrays.size(), 1U);
  const std::vector<std::pair<std::string, std::string>> unread = {{"evil", "os.system"},
                                                                   {"class", "argparse.Namespace"},
                                                                   {"made", "argparse.Namespace"},
                                                                   {"filled", "collections.defaultdict"},
                                                                   {"called", "os.system"},
                                                                   {"text", "a call of what is no function"},
                                                                   {"complex", "torch.ComplexFloatStorage"},
                                                                   {"quantized", "torch.QInt8Storage"},
                                                                   {"float8", "torch.float8_e4m3fn"}};
  EXPECT_EQ(all.unread, unread);
  EXPECT_EQ(
      message_of_object(call(global("torchvision.models.resnet", "ResNet"), {})),
      "it holds an object of Python's 'torchvision.models.resnet.ResNet', which could be made only by running code: that is not done; in Python, "
      "torch.save(model.state_dict(), FILE) writes its tensors");
}

TEST_F(WeightsTest, EveryStorageOfATensorHasItsType) {
  const std::vector<std::pair<const char*, ElementType>> types = {{"BoolStorage", ElementType::boolean},  {"ByteStorage", ElementType::uint8},
                                                                  {"CharStorage", ElementType::int8},     {"ShortStorage", ElementType::int16},
                                                                  {"IntStorage", ElementType::int32},     {"LongStorage", ElementType::int64},
                                                                  {"HalfStorage", ElementType::float16},  {"BFloat16Storage", ElementType::bfloat16},
                                                                  {"FloatStorage", ElementType::float32}, {"DoubleStorage", ElementType::float64}};
  for (const auto& [name, type] : types) {
    const WeightArrays all =
        read(saved(dictionary({{"w", tensor(storage(name, "0", 3), 1, {2}, {1})}}), {{"0", std::string(3 * element_size(type), 'x')}}));
    ASSERT_EQ(all.arrays.size(), 1U) << name;
    EXPECT_EQ(all.arrays[0].type, type) << name;
  }
}

TEST_F(WeightsTest, ChecksumsThatWereNotWrittenAreNotAskedFor) {
  const std::string object = dictionary({{"w", tensor(storage("FloatStorage", "0", 1), 0, {1}, {1})}});
  std::string with = saved(object, {{"0", bytes_of<float>({7})}}), without = saved(object, {{"0", bytes_of<float>({7})}}, {false});
  EXPECT_EQ(numbers<float>(read(without).arrays[0]), std::vector<float>{7});
  with[with.find(bytes_of<float>({7}))] ^= 1;
  EXPECT_EQ(message(with), damaged("the checksum of its entry 'archive/data/0'"));
}

TEST_F(WeightsTest, ArchivesThatAreWrongAreSaid) {
  const std::string object = dictionary({{"w", tensor(storage("FloatStorage", "0", 2), 0, {2}, {1})}}), eight(8, '\1');
  const std::string right = saved(object, {{"0", eight}});
  EXPECT_EQ(read(right).arrays.size(), 1U);
  EXPECT_EQ(message(right.substr(0, right.size() - 1)), damaged("it has no directory"));
  EXPECT_EQ(message(right.substr(0, 20)), damaged("it has no directory"));
  EXPECT_EQ(message(saved(object, {{"0", eight}}, {true, false, 8})),
            "its entry 'archive/byteorder' is compressed, as torch.save() writes none; store it as it is: zip -0");
  EXPECT_EQ(message(saved(object, {{"0", eight}}, {true, false, 0, 1})),
            "its entry 'archive/byteorder' is encrypted, as torch.save() writes none; store it as it is: zip -0");
  EXPECT_EQ(message(zip({{"a.txt", "a"}})), "it is a zip archive, but not one that torch.save() wrote (no NAME/data.pkl)");
  EXPECT_EQ(message(zip({{"a/data.pkl", pickle(object)}, {"a/byteorder", "big"}})),
            "it was written by a machine that stores numbers the other way round (big endian); save it anew on one like this");
  EXPECT_EQ(message(saved(object, {})), damaged("the entry 'archive/data/0' is missing"));
  EXPECT_EQ(message(saved(object, {{"0", eight.substr(1)}})), damaged("the entry 'archive/data/0' is too short"));
  const auto changed = [&](const std::string& mark, std::size_t offset, const std::string& bytes) {
    std::string copy = right;
    copy.replace(copy.rfind(mark) + offset, bytes.size(), bytes);
    return copy;
  };
  EXPECT_EQ(message(changed("PK\x05\x06", 16, little(std::uint32_t{0xfffffff0}))), damaged("its directory"));
  EXPECT_EQ(message(changed("PK\x05\x06", 16, little(std::uint32_t{0}))), damaged("its directory"));
  EXPECT_EQ(message(changed("PK\x01\x02", 42, little(std::uint32_t{0xfffffff0}))), damaged("an entry reaches beyond the end"));
  EXPECT_EQ(message(changed("PK\x01\x02", 42, little(std::uint32_t{1}))), damaged("an entry's header"));
  EXPECT_EQ(message(changed("PK\x01\x02", 20, little(std::uint32_t{0xfffff}) + little(std::uint32_t{0xfffff}))),
            damaged("an entry reaches beyond the end"));
  // A zip64 directory that is not where it is said to be, and an extra field that ends early.
  std::string large = saved(object, {{"0", eight}}, {true, true});
  large.replace(large.rfind("PK\x06\x07") + 8, 8, little(std::uint64_t{0}));
  EXPECT_EQ(message(large), damaged("its directory"));
  large = saved(object, {{"0", eight}}, {true, true});
  large.replace(large.find("??" + little(std::uint16_t{1})) + 4, 2, little(std::uint16_t{0}));
  EXPECT_EQ(read(large).arrays.size(), 1U) << "its length is not asked";
  large = saved(object, {{"0", eight}}, {true, true});
  large.replace(large.rfind("PK\x01\x02") + 30, 2, little(std::uint16_t{12}));
  EXPECT_EQ(message(large), damaged("a record of the archive"));
  // Entries that share bytes could make much of little.
  Entries many;
  for (int i = 0; i < 4; ++i) many.emplace_back("a/" + std::to_string(i), std::string(1000, 'x'));
  std::string shared = zip(many);
  for (std::size_t at = shared.find("PK\x01\x02"); at != std::string::npos; at = shared.find("PK\x01\x02", at + 1)) {
    shared.replace(at + 42, 4, little(std::uint32_t{0}));
    shared.replace(at + 20, 8, little(std::uint32_t{3000}) + little(std::uint32_t{3000}));
  }
  EXPECT_EQ(message(shared), damaged("entries overlap"));
}

TEST_F(WeightsTest, OldFilesThatAreWrongAreSaid) {
  const std::string object = dictionary({{"w", tensor(storage("FloatStorage", "7", 2, "N"), 0, {2}, {1})}}), eight(8, '\1');
  EXPECT_EQ(read(saved_before_1_6(object, {{"7", 2, eight}})).arrays.size(), 1U);
  EXPECT_EQ(message(saved_before_1_6(object, {{"7", 2, eight}}, false)),
            "it was written by a machine that stores numbers the other way round (big endian); save it anew on one like this");
  EXPECT_EQ(message(saved_before_1_6(object, {{"7", 2, eight}}, true, 1000)),
            "its layout is of another version than 1001, the last; save it anew with a PyTorch of today");
  EXPECT_EQ(message(saved_before_1_6(object, {{"7", 2, eight.substr(1)}})), damaged("it ends early"));
  const std::string whole = saved_before_1_6(object, {{"7", 2, ""}});
  EXPECT_EQ(message(whole.substr(0, whole.size() - 1)), damaged("it ends early"));
  EXPECT_EQ(message(saved_before_1_6(object, {{"7", 3, eight}})), damaged("a storage's size"));
  EXPECT_EQ(message(saved_before_1_6(object, {})), damaged("the storage '7' is missing"));
  EXPECT_EQ(message(saved_before_1_6(object, {{"8", 2, eight}})),
            "it holds numbers of a type that is not read here (complex or quantised); save it without them");
  EXPECT_EQ(message(saved_before_1_6(dictionary({{"w", storage("FloatStorage", "7", 2, tuple({text("6"), integer(0), integer(2)}))}}), {})),
            "its storages are views of each other, as PyTorch before 0.4 wrote them; load it there and save it anew");
  // What stands beside a pickled network's class.
  EXPECT_EQ(message(saved_before_1_6(call(tuple({text("module"), global("models", "Net"), text("net.py"), text("class Net: ...")}) + "Q", {}), {}))
                .substr(0, 46),
            "it holds an object of Python's 'models.Net', w");
}

TEST_F(WeightsTest, PicklesThatAreWrongAreSaid) {
  const std::string w = storage("FloatStorage", "0", 6);
  const auto of_tensor = [&](std::int64_t offset, const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
    return message_of_object(dictionary({{"w", tensor(w, offset, shape, strides)}}));
  };
  EXPECT_EQ(of_tensor(4, {3}, {1}), damaged("its pickle: a tensor reaches beyond its storage"));
  EXPECT_EQ(of_tensor(0, {2, 3}, {4, 1}), damaged("its pickle: a tensor reaches beyond its storage"));
  EXPECT_EQ(of_tensor(7, {0}, {1}), damaged("its pickle: a tensor reaches beyond its storage"));
  EXPECT_EQ(of_tensor(5, {2}, {-1}), damaged("its pickle: a tensor's strides"));
  EXPECT_EQ(of_tensor(0, {3}, {std::int64_t{1} << 62}), damaged("its pickle: a tensor's strides"));
  EXPECT_EQ(of_tensor(-1, {1}, {1}), damaged("its pickle: a tensor's sizes"));
  EXPECT_EQ(of_tensor(0, {-1}, {1}), damaged("its pickle: a tensor's sizes"));
  EXPECT_EQ(of_tensor(0, {1, 1}, {1}), damaged("its pickle: a tensor's sizes"));
  EXPECT_EQ(of_tensor(0, std::vector<std::int64_t>(17, 1), std::vector<std::int64_t>(17, 1)), damaged("its pickle: a tensor's sizes"));
  EXPECT_EQ(of_tensor(0, {std::int64_t{1} << 40, std::int64_t{1} << 40}, {0, 0}), damaged("its pickle: a tensor's sizes"));
  const std::string rebuild = global("torch._utils", "_rebuild_tensor");
  EXPECT_EQ(message_of_object(dictionary({{"w", call(rebuild, {w, "N", integers({1}), integers({1})})}})), damaged("its pickle: a tensor's sizes"));
  EXPECT_EQ(message_of_object(dictionary({{"a", w}, {"b", storage("FloatStorage", "0", 5)}})),
            damaged("its pickle: a storage of two types or sizes"));
  EXPECT_EQ(message_of_object(storage("FloatStorage", "0", -1)), damaged("its pickle: a storage's size"));
  EXPECT_EQ(message_of_object(tuple({text("storage"), "N"}) + "Q"), damaged("its pickle: what it says of a storage"));
  EXPECT_EQ(message_of_object("NQ"), damaged("its pickle: what it says of a storage"));
  EXPECT_EQ(message_of_object(tensor(w, 0, {1}, {1})),
            "it holds a tensor without a name; in Python, torch.save(model.state_dict(), FILE) writes its tensors");
  EXPECT_EQ(message_of_object("N"), "it holds no dictionary of tensors; in Python, torch.save(model.state_dict(), FILE) writes its tensors");
  EXPECT_EQ(message_of_object(dictionary({{"w", tensor(w, 0, {1}, {1})}, {"w", tensor(w, 0, {1}, {1})}})), damaged("two tensors are called 'w'"));
  EXPECT_EQ(message_of_object("}q\1(" + text("self") + "h\1u"), damaged("its dictionaries hold each other"));
  // Thirty levels, each twice in the one above: 2^30 names.
  std::string bomb = "}q" + std::string(1, '\0');
  for (int i = 1; i < 30; ++i) {
    const std::string inner = "h" + std::string(1, static_cast<char>(i - 1));
    bomb += "}q" + std::string(1, static_cast<char>(i)) + "(" + text("a") + inner + text("b") + inner + "u";
  }
  EXPECT_EQ(message_of_object("}(" + text("bomb") + tuple({bomb}) + "u"), damaged("its dictionaries hold each other"));
  EXPECT_EQ(message_of_object(call(global("collections", "OrderedDict"), {list({"N"})})), damaged("its pickle: an OrderedDict's items"));
  EXPECT_EQ(message_of_object(global("a", "b") + "NR"), damaged("its pickle: a call without arguments"));
  EXPECT_EQ(message_of_object("}(Nu"), damaged("its pickle: a key without a value"));
  EXPECT_EQ(message_of_object("N(NNu"), damaged("its pickle: items of what is no list or dictionary"));
  EXPECT_EQ(message_of_object(""), damaged("its pickle: it ends with more than one object"));
  EXPECT_EQ(message_of_object("(N"), damaged("its pickle: it ends with more than one object"));
  EXPECT_EQ(message_of_object("N(\x85"), damaged("its pickle: its stack is empty"));
  EXPECT_EQ(message_of_object("t"), damaged("its pickle: a mark is missing"));
  EXPECT_EQ(message_of_object("h\1"), damaged("its pickle: it names what it did not keep"));
  EXPECT_EQ(message_of_object("X" + little(std::uint32_t{0xffffffff})), damaged("its pickle: it ends early"));
  EXPECT_EQ(message_of_object("c" + std::string(2000, 'a') + "\nb\n"), damaged("its pickle: a global's name"));
  EXPECT_EQ(message_of_object("i"),
            "its pickle is damaged, or was not written by torch.save() (instruction 0x69); get it anew, or save it anew in Python");
  EXPECT_EQ(message(zip({{"a/data.pkl", "N."}})), damaged("its pickle: it does not begin with its protocol"));
  EXPECT_EQ(message(zip({{"a/data.pkl", "\x80\x04N."}})),
            "its pickle is of protocol 4, torch.save() writes 2 unless told otherwise; save it anew in Python without pickle_protocol");
  EXPECT_EQ(message_of_object("(" + std::string(1'000'001, 'N') + "t"), "its pickle holds more than 1000000 objects: no network's state does");
  // A list of many pairs, made an OrderedDict of again and again.
  std::string pairs = "](";
  for (int i = 0; i < 1000; ++i) pairs += "NN\x86";
  std::string copies = pairs + "e\x85q\1(";
  for (int i = 0; i < 1000; ++i) copies += global("collections", "OrderedDict") + "h\1R";
  EXPECT_EQ(message_of_object(copies + "t"), "its pickle holds more than 1000000 objects: no network's state does");
}

/// A small file must not decide that much memory is taken.
TEST_F(WeightsTest, LongNamesThatAreUsedOftenTakeNoMemory) {
  const auto peak = [] {  // KiB
    struct rusage usage {};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = peak();
  // Four bytes each that once copied 2000.
  std::string calls = global(std::string(999, 'a'), std::string(999, 'b')) + "q" + std::string(1, '\0') + ")q\1";
  for (int i = 0; i < 300'000; ++i) calls += std::string("h\0h\1R", 5);
  EXPECT_EQ(message_of_object("}(" + text("calls") + "(" + calls + "tu"), damaged("its dictionaries hold each other"));
  // One dictionary of long names in many others: 90,000 names of 960 letters.
  const std::string one = tensor(storage("FloatStorage", "0", 0), 0, {0}, {1});
  std::string inner = "}(", outer = "}(" + text("x") + one + "q" + std::string(1, '\0');
  for (int i = 0; i < 300; ++i) inner += text(std::to_string(i)) + "h" + std::string(1, '\0');
  for (int i = 0; i < 300; ++i) outer += text(std::to_string(i) + std::string(955, 'k')) + (i == 0 ? inner + "uq\1" : "h\1");
  EXPECT_EQ(message_of_object(outer + "u"), damaged("its dictionaries hold each other"));
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(peak() - before, 300'000);
#endif
}

// ---- any file -----------------------------------------------------------------------------------------------------------------------------

TEST_F(WeightsTest, OtherFilesAreSaid) {
  const std::string neither =
      "it is neither a safetensors file nor one that PyTorch's torch.save() wrote; from a dictionary of tensors, safetensors.torch.save_file() makes "
      "one";
  EXPECT_EQ(message("<!DOCTYPE html><title>404</title>"), neither);
  EXPECT_EQ(message(""), neither);
  EXPECT_EQ(test::error_of([&] { read_weight_arrays(folder_.path() / "none"); }),
            "cannot read " + (folder_.path() / "none").string() + ": No such file or directory");
  ASSERT_EQ(::mkfifo((folder_.path() / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(test::error_of([&] { read_weight_arrays(folder_.path() / "pipe"); }),
            "cannot read " + (folder_.path() / "pipe").string() + ": it is not a file");
  EXPECT_EQ(test::error_of([&] { read_weight_arrays(folder_.path()); }), "cannot read " + folder_.path().string() + ": it is not a file");
}

/// Touches the first and the last element, so that a sanitizer sees where they lie.
int touch(const WeightArrays& all) {
  int sum = 0;
  for (const WeightArray& one : all.arrays) {
    std::int64_t last = 0;
    bool empty = false;
    for (std::size_t d = 0; d < one.shape.size(); ++d) {
      empty = empty || one.shape[d] == 0;
      last += (one.shape[d] - 1) * one.strides[d];
    }
    if (empty) continue;
    const char* bytes = static_cast<const char*>(one.data.get());
    sum += bytes[0] + bytes[static_cast<std::size_t>(last + 1) * element_size(one.type) - 1];
  }
  return sum;
}

TEST_F(WeightsTest, DamagedBytesGiveTensorsOrAnError) {
  const std::string w = storage("FloatStorage", "0", 6), h = storage("HalfStorage", "1", 4);
  const std::string object = dictionary(
      {{"epoch", integer(3)},
       {"state_dict",
        ordered({{"a.weight", tensor(w, 0, {2, 3}, {3, 1})}, {"a.bias", tensor(w, 3, {3}, {1})}, {"b.weight", tensor(h, 0, {2, 2}, {1, 2})}})},
       {"args", call(global("argparse", "Namespace"), {})}});
  const std::string floats(24, '\1'), halves(8, '\2');
  const std::vector<std::string> files = {
      saved(object, {{"0", floats}, {"1", halves}}, {false}), saved(object, {{"0", floats}, {"1", halves}}, {false, true}),
      saved_before_1_6(object, {{"0", 6, floats}, {"1", 4, halves}}),
      safetensors(
          R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"h":{"dtype":"F16","shape":[2,2],"data_offsets":[24,32]}})",
          floats + halves)};
  Random random(1, 2, 3);
  int read_well = 0, refused = 0, sum = 0;
  for (const std::string& whole : files) {
    EXPECT_GE(read(whole).arrays.size(), 2U);
    for (int round = 0; round < 3000; ++round) {
      std::string bytes = whole;
      for (std::uint64_t flips = 1 + random.below(3); flips > 0; --flips) bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      if (random.below(8) == 0) bytes.resize(random.below(bytes.size()));
      try {
        sum += touch(read(bytes));
        ++read_well;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(read_well, 100) << sum;
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace cdc
