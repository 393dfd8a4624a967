// SPDX-License-Identifier: MIT
// The opcodes are those of Python's pickletools that torch.save() uses with protocols 2 to 4.
#include "model/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "model/corrupt.h"

namespace resnetft {
namespace {

using Kind = PickleValue::Kind;
using Value = PickleValue;

struct StorageClass {
  std::string_view name;
  DType dtype;
};
constexpr std::array kStorageClasses = {
    StorageClass{"torch HalfStorage", DType::F16},  StorageClass{"torch BFloat16Storage", DType::BF16},
    StorageClass{"torch FloatStorage", DType::F32}, StorageClass{"torch DoubleStorage", DType::F64},
    StorageClass{"torch CharStorage", DType::I8},   StorageClass{"torch ShortStorage", DType::I16},
    StorageClass{"torch IntStorage", DType::I32},   StorageClass{"torch LongStorage", DType::I64},
    StorageClass{"torch ByteStorage", DType::U8},   StorageClass{"torch BoolStorage", DType::Bool},
};

// What may be called, beside the storage classes, which are only named.
constexpr std::array<std::string_view, 5> kCallables = {
    "collections OrderedDict", "torch Size", "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter"};

const StorageClass* find_storage_class(std::string_view name) {
  const auto found = std::ranges::find(kStorageClasses, name, &StorageClass::name);
  return found == kStorageClasses.end() ? nullptr : &*found;
}

// One run over a pickle. Every opcode makes at most one value, so the arena is bounded by the pickle's size.
class Machine {
 public:
  explicit Machine(std::span<const std::byte> bytes) : bytes_(bytes) {}

  Pickle run() {
    while (!stopped_) step(read<uint8_t>());
    pickle_.root = pop();
    pickle_.size = position_;
    return std::move(pickle_);
  }

 private:
  std::span<const std::byte> take(uint64_t count) {
    if (count > bytes_.size() - position_) throw Corrupt{"its pickle is cut short"};
    const std::span<const std::byte> taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  template <class T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string read_text(uint64_t count) {
    const std::span<const std::byte> taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  std::string read_line() {
    const std::span<const std::byte> rest = bytes_.subspan(position_);
    const auto end = std::ranges::find(rest, std::byte{'\n'});
    if (end == rest.end()) throw Corrupt{"its pickle is cut short"};
    std::string line = read_text(static_cast<uint64_t>(end - rest.begin()));
    take(1);
    return line;
  }

  Value& push(Kind kind) {
    Value& value = pickle_.arena.emplace_back();
    value.kind = kind;
    stack_.push_back(&value);
    return value;
  }

  Value* top() const {
    if (stack_.empty()) throw Corrupt{"its pickle takes from an empty stack"};
    return stack_.back();
  }

  Value* pop() {
    Value* value = top();
    stack_.pop_back();
    return value;
  }

  std::vector<Value*> pop_to_mark() {
    const auto mark = std::ranges::find(stack_.rbegin(), stack_.rend(), Kind::Mark, &Value::kind);
    if (mark == stack_.rend()) throw Corrupt{"its pickle lacks a mark"};
    std::vector<Value*> items(mark.base(), stack_.end());
    stack_.erase(mark.base() - 1, stack_.end());
    return items;
  }

  void push_text(std::string text) { push(Kind::Text).text = std::move(text); }
  void push_int(int64_t value) { push(Kind::Int).integer = value; }

  void push_long(size_t count) {
    const std::string bytes = read_text(count);
    if (count > sizeof(int64_t)) {
      push(Kind::LongInt).text = bytes;
      return;
    }
    const bool negative = count > 0 && (static_cast<uint8_t>(bytes.back()) & 0x80) != 0;
    uint64_t value = negative ? ~uint64_t{0} : 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    push_int(static_cast<int64_t>(value));
  }

  void push_double() {
    uint64_t value = 0;  // big-endian, alone among the opcodes
    for (int i = 0; i < 8; ++i) value = value << 8 | read<uint8_t>();
    push(Kind::Float).real = std::bit_cast<double>(value);
  }

  void push_tuple(size_t count) {
    if (count > stack_.size()) throw Corrupt{"its pickle takes from an empty stack"};
    std::vector<Value*> items(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    push(Kind::Tuple).items = std::move(items);
  }

  void push_global(const std::string& name) {
    if (!find_storage_class(name) && std::ranges::find(kCallables, name) == kCallables.end())
      throw Corrupt{"its pickle names '" + name + "', which is not on the list of what weights need"};
    push(Kind::Global).text = name;
  }

  void push_stack_global() {
    const Value* name = pop();
    const Value* module = pop();
    if (name->kind != Kind::Text || module->kind != Kind::Text) throw Corrupt{"its pickle names no class"};
    push_global(module->text + " " + name->text);
  }

  void append(std::vector<Value*> items) {
    Value* list = top();
    if (list->kind != Kind::List) throw Corrupt{"its pickle appends to what is no list"};
    list->items.insert(list->items.end(), items.begin(), items.end());
  }

  void set_items(std::vector<Value*> items) {
    Value* dict = top();
    if (dict->kind != Kind::Dict || items.size() % 2 != 0) throw Corrupt{"its pickle sets keys of what is no dict"};
    dict->items.insert(dict->items.end(), items.begin(), items.end());
  }

  void memoize(uint32_t index) { memo_[index] = top(); }

  void recall(uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) throw Corrupt{"its pickle recalls what it never kept"};
    stack_.push_back(found->second);
  }

  // ('storage', class, key, location, size), and in old files a sixth item that is None unless it is a view.
  void push_storage() {
    const Value* id = pop();
    if (id->kind != Kind::Tuple || id->items.size() < 5 || id->items[0]->kind != Kind::Text ||
        id->items[0]->text != "storage" || id->items[1]->kind != Kind::Global || id->items[2]->kind != Kind::Text ||
        id->items[4]->kind != Kind::Int)
      throw Corrupt{"its pickle names no storage"};
    if (id->items.size() > 5 && id->items[5]->kind != Kind::None) throw Corrupt{"its pickle has a view of a storage"};
    const StorageClass* storage = find_storage_class(id->items[1]->text);
    if (!storage || id->items[4]->integer < 0) throw Corrupt{"its pickle names no storage"};
    const StorageReference reference{storage->dtype, id->items[2]->text, id->items[4]->integer};
    push(Kind::Storage).storage = reference;
  }

  static std::vector<int64_t> counts_of(const Value& value) {
    constexpr size_t kMaxDimensions = 8;
    if ((value.kind != Kind::Tuple && value.kind != Kind::List) || value.items.size() > kMaxDimensions)
      throw Corrupt{"its pickle has a tensor without a shape"};
    std::vector<int64_t> counts;
    for (const Value* item : value.items) {
      if (item->kind != Kind::Int || item->integer < 0) throw Corrupt{"its pickle has a tensor of negative size"};
      counts.push_back(item->integer);
    }
    return counts;
  }

  void rebuild_tensor(const std::vector<Value*>& arguments) {
    if (arguments.size() < 4 || arguments[0]->kind != Kind::Storage || arguments[1]->kind != Kind::Int ||
        arguments[1]->integer < 0)
      throw Corrupt{"its pickle has a tensor without a storage"};
    std::vector<int64_t> shape = counts_of(*arguments[2]), strides = counts_of(*arguments[3]);
    if (shape.size() != strides.size()) throw Corrupt{"its pickle has a tensor whose shape and strides differ"};
    Value& tensor = push(Kind::Tensor);
    tensor.storage = arguments[0]->storage;
    tensor.integer = arguments[1]->integer;
    tensor.shape = std::move(shape);
    tensor.strides = std::move(strides);
  }

  // OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]).
  void make_dict(const std::vector<Value*>& arguments) {
    std::vector<Value*> items;
    if (!arguments.empty()) {
      for (const Value* pair : arguments[0]->items) {
        if (pair->items.size() != 2) throw Corrupt{"its pickle has a dict of no pairs"};
        items.insert(items.end(), pair->items.begin(), pair->items.end());
      }
    }
    push(Kind::Dict).items = std::move(items);
  }

  void reduce() {
    const Value* arguments = pop();
    const Value* callable = pop();
    if (arguments->kind != Kind::Tuple || callable->kind != Kind::Global) throw Corrupt{"its pickle calls no class"};
    const std::string& name = callable->text;
    if (name == "collections OrderedDict") return make_dict(arguments->items);
    if (name.starts_with("torch._utils _rebuild_tensor")) return rebuild_tensor(arguments->items);
    if (arguments->items.empty()) throw Corrupt{"its pickle calls '" + name + "' without what it needs"};
    if (name == "torch Size" || name == "torch._utils _rebuild_parameter") {
      stack_.push_back(arguments->items[0]);
      return;
    }
    throw Corrupt{"its pickle calls '" + name + "'"};
  }

  // torch gives a state_dict the attribute _metadata, which holds version numbers that nobody needs here.
  void build() {
    pop();
    if (top()->kind != Kind::Dict) throw Corrupt{"its pickle sets the state of what is no dict"};
  }

  void step(uint8_t opcode) {
    switch (opcode) {
      case 0x80:
        take(1);
        break;  // PROTO
      case 0x95:
        take(8);
        break;  // FRAME
      case '.':
        stopped_ = true;
        break;  // STOP
      case '(':
        push(Kind::Mark);
        break;  // MARK
      case '0':
        pop();
        break;  // POP
      case '1':
        pop_to_mark();
        break;  // POP_MARK
      case 'N':
        push(Kind::None);
        break;  // NONE
      case 0x88:
        push(Kind::Bool).integer = 1;
        break;  // NEWTRUE
      case 0x89:
        push(Kind::Bool).integer = 0;
        break;  // NEWFALSE
      case 'J':
        push_int(read<int32_t>());
        break;  // BININT
      case 'K':
        push_int(read<uint8_t>());
        break;  // BININT1
      case 'M':
        push_int(read<uint16_t>());
        break;  // BININT2
      case 0x8a:
        push_long(read<uint8_t>());
        break;  // LONG1
      case 'G':
        push_double();
        break;  // BINFLOAT
      case 'U':
        push_text(read_text(read<uint8_t>()));
        break;  // SHORT_BINSTRING
      case 'T':
        push_text(read_text(read<uint32_t>()));
        break;  // BINSTRING
      case 0x8c:
        push_text(read_text(read<uint8_t>()));
        break;  // SHORT_BINUNICODE
      case 'X':
        push_text(read_text(read<uint32_t>()));
        break;  // BINUNICODE
      case ')':
        push_tuple(0);
        break;  // EMPTY_TUPLE
      case 0x85:
        push_tuple(1);
        break;  // TUPLE1
      case 0x86:
        push_tuple(2);
        break;  // TUPLE2
      case 0x87:
        push_tuple(3);
        break;  // TUPLE3
      case 't': {
        std::vector<Value*> items = pop_to_mark();
        push(Kind::Tuple).items = std::move(items);
        break;
      }
      case 'l': {
        std::vector<Value*> items = pop_to_mark();
        push(Kind::List).items = std::move(items);
        break;
      }
      case ']':
        push(Kind::List);
        break;  // EMPTY_LIST
      case '}':
        push(Kind::Dict);
        break;  // EMPTY_DICT
      case 'a': {
        Value* item = pop();
        append({item});
        break;
      }  // APPEND
      case 'e':
        append(pop_to_mark());
        break;  // APPENDS
      case 's': {
        Value* value = pop();
        Value* key = pop();
        set_items({key, value});
        break;
      }  // SETITEM
      case 'u':
        set_items(pop_to_mark());
        break;  // SETITEMS
      case 'q':
        memoize(read<uint8_t>());
        break;  // BINPUT
      case 'r':
        memoize(read<uint32_t>());
        break;  // LONG_BINPUT
      case 0x94:
        memoize(static_cast<uint32_t>(memo_.size()));
        break;  // MEMOIZE
      case 'h':
        recall(read<uint8_t>());
        break;  // BINGET
      case 'j':
        recall(read<uint32_t>());
        break;  // LONG_BINGET
      case 'c': {
        std::string module = read_line();
        push_global(module + " " + read_line());
        break;
      }  // GLOBAL
      case 0x93:
        push_stack_global();
        break;  // STACK_GLOBAL
      case 'Q':
        push_storage();
        break;  // BINPERSID
      case 'R':
        reduce();
        break;  // REDUCE
      case 'b':
        build();
        break;  // BUILD
      default:
        throw Corrupt{"its pickle has opcode " + std::to_string(opcode) + ", which weights do not need"};
    }
  }

  std::span<const std::byte> bytes_;
  size_t position_ = 0;
  bool stopped_ = false;
  Pickle pickle_;
  std::vector<Value*> stack_;
  std::unordered_map<uint32_t, Value*> memo_;
};

}  // namespace

Pickle parse_pickle(std::span<const std::byte> bytes) { return Machine(bytes).run(); }

const PickleValue* find_key(const PickleValue& dict, std::string_view key) {
  if (dict.kind != Kind::Dict) return nullptr;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2)
    if (dict.items[i]->kind == Kind::Text && dict.items[i]->text == key) return dict.items[i + 1];
  return nullptr;
}

}  // namespace resnetft
