// SPDX-License-Identifier: MIT
// Pickles written by hand, opcode by opcode (Python's pickletools has their meaning).
#include "model/pickle.h"

#include <gtest/gtest.h>

#include <string>

#include "model/corrupt.h"
#include "tests/support/zip_builder.h"

namespace resnetft {
namespace {

using namespace std::string_literals;
using Kind = PickleValue::Kind;

// A pickle's texts borrow from its bytes.
struct Parsed {
  explicit Parsed(std::string text) : bytes(std::move(text)), pickle(parse_pickle(std::as_bytes(std::span(bytes)))) {}
  const std::string bytes;
  const Pickle pickle;
  const PickleValue* root = pickle.root;
};

std::string reason_of(const std::string& pickle) {
  try {
    Parsed parsed(pickle);
  } catch (const Corrupt& corrupt) {
    return corrupt.reason;
  }
  return "it was read";
}

std::string text(std::string_view value) {
  std::string pickle = "X";
  testing::put(pickle, value.size(), 4);
  return pickle + std::string(value);
}

std::string storage(std::string_view type = "torch\nFloatStorage\n", std::string_view key = "0") {
  return "("s + text("storage") + "c" + std::string(type) + text(key) + text("cpu") + "K\x06tQ";
}

std::string tensor(std::string_view arguments_after_storage) {
  return "ctorch._utils\n_rebuild_tensor_v2\n("s + storage() + std::string(arguments_after_storage) + "tR";
}

TEST(Pickle, ReadsPlainValues) {
  const std::string pickle = "\x80\x02(N\x88\x89K\x07M\x01\x02J\xfe\xff\xff\xff\x8a\x01\x80G\x3f\xf8\0\0\0\0\0\0"s +
                             text("é") + "U\x02hi\x8c\x01!)\x85]}t.tail";
  const Parsed read(pickle);
  EXPECT_EQ(read.pickle.size, pickle.size() - 4);
  const std::vector<PickleValue*>& items = read.root->items;
  ASSERT_EQ(items.size(), 14u);
  EXPECT_EQ(items[0]->kind, Kind::None);
  EXPECT_EQ(items[1]->integer, 1);
  EXPECT_EQ(items[2]->integer, 0);
  EXPECT_EQ(items[3]->integer, 7);
  EXPECT_EQ(items[4]->integer, 0x201);
  EXPECT_EQ(items[5]->integer, -2);
  EXPECT_EQ(items[6]->integer, -128);
  EXPECT_EQ(items[7]->real, 1.5);
  EXPECT_EQ(items[8]->text, "é");
  EXPECT_EQ(items[9]->text, "hi");
  EXPECT_EQ(items[10]->text, "!");
  EXPECT_EQ(items[11]->kind, Kind::Tuple);
  EXPECT_EQ(items[11]->items.size(), 1u);
  EXPECT_EQ(items[12]->kind, Kind::List);
  EXPECT_EQ(items[13]->kind, Kind::Dict);
}

TEST(Pickle, ReadsListsDictsAndWhatWasKept) {
  const Parsed read("}q\x05("s + text("a") + "]K\x01" + "a(K\x02K\x03" + "e" + text("b") + "h\x05u.");
  const PickleValue* a = find_key(*read.root, "a");
  ASSERT_NE(a, nullptr);
  ASSERT_EQ(a->items.size(), 3u);
  EXPECT_EQ(a->items[2]->integer, 3);
  EXPECT_EQ(find_key(*read.root, "b"), read.root);
  EXPECT_EQ(find_key(*read.root, "c"), nullptr);
}

TEST(Pickle, ReadsTensors) {
  const Parsed read(tensor("K\x01K\x02K\x01\x86K\x01K\x02\x86\x89N") + ".");
  ASSERT_EQ(read.root->kind, Kind::Tensor);
  const PickleTensor& value = *read.root->tensor;
  EXPECT_EQ(value.storage.dtype, DType::F32);
  EXPECT_EQ(value.storage.key, "0");
  EXPECT_EQ(value.storage.size, 6);
  EXPECT_EQ(value.offset, 1);
  EXPECT_EQ(value.shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(value.strides, (std::vector<int64_t>{1, 2}));
}

// torch._utils._rebuild_tensor_v3 and old views have no writer here, so these stand for them.
TEST(Pickle, ReadsTensorsOfUntypedStoragesAndViewsOfStorages) {
  const Parsed typed("ctorch._utils\n_rebuild_tensor_v3\n("s + storage("torch.storage\nUntypedStorage\n") +
                     "K\x00K\x03\x85K\x01\x85\x89Nctorch\nfloat16\ntR."s);
  EXPECT_EQ(typed.root->tensor->storage.dtype, DType::F16);
  EXPECT_EQ(typed.root->tensor->storage.size, 3);
  const Parsed view("ctorch._utils\n_rebuild_tensor\n(("s + text("storage") + "ctorch\nLongStorage\n" + text("k") +
                    text("cpu") + "K\x09(" + text("v") + "K\x04K\x05ttQK\x01)" + ")tR.");
  EXPECT_EQ(view.root->tensor->storage.offset, 4);
  EXPECT_EQ(view.root->tensor->offset, 1);
}

TEST(Pickle, NamesTheClassThatIsNotOnTheList) {
  EXPECT_NE(reason_of("cos\nsystem\n.").find("'os.system'"), std::string::npos);
  EXPECT_NE(reason_of("\x8c\x08"
                      "builtins\x8c\x04"
                      "eval\x93.")
                .find("'builtins.eval'"),
            std::string::npos);
  EXPECT_NE(reason_of("ctorchvision.models.resnet\nResNet\n.").find("ResNet"), std::string::npos);
  EXPECT_NE(reason_of("c"s + std::string(5000, 'm') + "\nx\n.").find("mmm.x"), std::string::npos);
  EXPECT_LT(reason_of("c"s + std::string(5000, 'm') + "\nx\n.").size(), 300u);
}

TEST(Pickle, NamesTheOpcodeThatIsNotOnTheList) {
  for (const char* opcode : {"i", "o", "P", "\x82", "\x97", "2", "I", "\xff"})
    EXPECT_NE(reason_of(opcode).find("opcode " + std::to_string(static_cast<uint8_t>(*opcode))), std::string::npos)
        << reason_of(opcode);
}

TEST(Pickle, EveryOpcodeOnAnEmptyStackEndsInAnError) {
  for (int code = 0; code < 256; ++code) {
    const std::string reason = reason_of(std::string(1, static_cast<char>(code)));
    EXPECT_TRUE(reason.starts_with("its pickle")) << code << ": " << reason;
  }
}

TEST(Pickle, CallsOfAnotherFormAreRefused) {
  const std::string reduce = "tR.";
  for (const std::string& pickle :
       {tensor("K\x00") + ".", tensor("J\xff\xff\xff\xffK\x01\x85K\x01\x85") + ".",
        tensor("K\x00J\xff\xff\xff\xff\x85K\x01\x85"s) + ".", tensor("K\x00K\x01\x85)"s) + ".",
        tensor("K\x00(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t"s) +
            ".",
        "ctorch\nFloatStorage\n)R."s, "ctorch\nSize\n)R."s, "K\x01)R."s, "ctorch\nSize\nK\x01R."s,
        "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nN)t" + reduce,
        "ccollections\nOrderedDict\n(](K\x01K\x02"
        "etR."s,
        storage("torch\nSize\n") + ".", storage("torch\nFloatStorage\n", std::string(1000, 'k')) + "."})
    EXPECT_NE(reason_of(pickle), "it was read") << pickle;
}

TEST(Pickle, AMillionValuesAreTheLimit) {
  const std::string reason = "its pickle has more than a million values; it holds more than weights";
  EXPECT_EQ(reason_of(std::string(2'000'000, 'N')), reason);
  EXPECT_EQ(reason_of("("s + std::string(999'000, 'N') + "t."), "it was read");
  std::string recalls = "Nq"s + '\0';
  for (int i = 0; i < 1'000'000; ++i) recalls += "h"s + '\0';
  EXPECT_EQ(reason_of(recalls), reason);
  // A dict of a kept list, again and again: each time its items are copied.
  std::string pairs = "](";
  for (int i = 0; i < 100'000; ++i) pairs += "NN\x86";
  pairs += "e\x85q\x01";
  for (int i = 0; i < 100; ++i) pairs += "ccollections\nOrderedDict\nh\x01R";
  EXPECT_EQ(reason_of(pairs), reason);
}

TEST(Pickle, DeepNestingAndValuesThatHoldThemselvesCostNoStack) {
  std::string nested(300'000, ']');
  EXPECT_EQ(reason_of(nested + std::string(299'999, 'a') + "."), "it was read");
  EXPECT_EQ(reason_of("]q\x01h\x01"
                      "a."),
            "it was read");
}

}  // namespace
}  // namespace resnetft
