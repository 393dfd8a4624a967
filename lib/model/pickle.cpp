// SPDX-License-Identifier: MIT
// A stack machine for the opcodes of Python's pickletools that torch.save() uses with protocols 2 to 5.
#include "model/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <unordered_map>

#include "model/corrupt.h"
#include "model/pickle_classes.h"

namespace resnetft {
namespace {

using Kind = PickleValue::Kind;
using Value = PickleValue;

// Each value costs less than 100 bytes. A ResNet-152 with two moments for each parameter has some 40,000.
constexpr size_t kMaxValues = 1'000'000;
constexpr size_t kMaxDimensions = 8;
constexpr size_t kMaxKey = 200;

// One run over a pickle. Everything that grows by an opcode is charged, so that memory is bounded.
class Machine {
 public:
  explicit Machine(std::span<const std::byte> bytes) : bytes_(bytes) {}

  Pickle run();

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - position_) throw Corrupt{"its pickle is cut short"};
    const auto* begin = reinterpret_cast<const char*>(bytes_.data() + position_);
    position_ += count;
    return {begin, count};
  }

  template <class T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  void stop() { stopped_ = true; }

  Value& push(Kind kind) {
    charge(1);
    Value& value = pickle_.arena.emplace_back();
    value.kind = kind;
    stack_.push_back(&value);
    return value;
  }
  void push_int(int64_t value) { push(Kind::Int).integer = value; }
  void push_bool(bool value) { push(Kind::Bool).integer = value; }
  void push_text(uint64_t count) { push(Kind::Text).text = take(count); }

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

  // Little-endian two's complement of any length; what is longer than 64 bits stays bytes.
  void push_long(size_t count) {
    const std::string_view bytes = take(count);
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

  void push_items(Kind kind, std::vector<Value*> items) { push(kind).items = std::move(items); }

  void push_tuple(size_t count) {
    if (count > stack_.size()) throw Corrupt{"its pickle takes from an empty stack"};
    std::vector<Value*> items(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    push_items(Kind::Tuple, std::move(items));
  }

  void push_global() {
    const std::string_view module = take_line();
    push_class(module, take_line());
  }

  void push_stack_global() {
    const Value* name = pop();
    const Value* module = pop();
    if (name->kind != Kind::Text || module->kind != Kind::Text) throw Corrupt{"its pickle names no class"};
    push_class(module->text, name->text);
  }

  // Into a List; an Opaque takes anything.
  void append(const std::vector<Value*>& items) {
    Value* list = top();
    if (list->kind == Kind::Opaque) return;
    if (list->kind != Kind::List) throw Corrupt{"its pickle appends to what is no list"};
    list->items.insert(list->items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<Value*>& items) {
    Value* dict = top();
    if (dict->kind == Kind::Opaque) return;
    if (dict->kind != Kind::Dict || items.size() % 2 != 0) throw Corrupt{"its pickle sets keys of what is no dict"};
    dict->items.insert(dict->items.end(), items.begin(), items.end());
  }

  void memoize(uint32_t index) {
    charge(1);
    memo_[index] = top();
  }
  void memoize_next() { memoize(static_cast<uint32_t>(memo_.size())); }

  void recall(uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) throw Corrupt{"its pickle recalls what it never kept"};
    charge(1);
    stack_.push_back(found->second);
  }

  // ('storage', class, key, location, size), and in old files a sixth item: None, or (key, offset, size) of a view.
  void push_storage() {
    const std::vector<Value*>& id = pop()->items;
    if (id.size() < 5 || id[0]->kind != Kind::Text || id[0]->text != "storage" || id[1]->kind != Kind::Class ||
        id[2]->kind != Kind::Text || id[4]->kind != Kind::Int || id[4]->integer < 0)
      throw Corrupt{"its pickle names no storage"};
    if (id[2]->text.size() > kMaxKey) throw Corrupt{"its pickle has a storage whose key has no end"};
    const PickleClass& row = pickle_class(id[1]->integer);
    if (row.role != PickleRole::Storage) throw Corrupt{"its pickle has a storage of no storage class"};
    StorageReference storage{row.dtype, id[2]->text, id[4]->integer, 0};
    if (id.size() > 5 && id[5]->kind != Kind::None) {
      const std::vector<Value*>& view = id[5]->items;
      if (view.size() != 3 || view[1]->kind != Kind::Int || view[1]->integer < 0)
        throw Corrupt{"its pickle has a view of a storage that says nothing"};
      storage.offset = view[1]->integer;
    }
    push(Kind::Storage).storage = &pickle_.storages.emplace_back(storage);
  }

  void reduce() {
    const Value* arguments = pop();
    if (arguments->kind != Kind::Tuple) throw Corrupt{"its pickle calls without arguments"};
    call(*pop(), arguments->items);
  }

  // torch gives a state_dict the attribute _metadata, and parameters attributes of their own, that nobody needs here.
  void build() {
    pop();
    const Kind kind = top()->kind;
    if (kind != Kind::Dict && kind != Kind::Tensor && kind != Kind::Opaque)
      throw Corrupt{"its pickle sets the state of what has none"};
  }

 private:
  void charge(size_t values) {
    charged_ += values;
    if (charged_ > kMaxValues) throw Corrupt{"its pickle has more than a million values; it holds more than weights"};
  }

  Value* top() const {
    if (stack_.empty()) throw Corrupt{"its pickle takes from an empty stack"};
    return stack_.back();
  }

  std::string_view take_line() {
    const std::span<const std::byte> rest = bytes_.subspan(position_);
    const auto end = std::ranges::find(rest, std::byte{'\n'});
    if (end == rest.end()) throw Corrupt{"its pickle is cut short"};
    const std::string_view line = take(static_cast<uint64_t>(end - rest.begin()));
    take(1);
    return line;
  }

  void push_class(std::string_view module, std::string_view name) {
    constexpr size_t kShown = 100;
    const int64_t row = find_pickle_class(module, name);
    if (row < 0)
      throw Corrupt{"its pickle names '" + std::string(module.substr(0, kShown)) + "." +
                        std::string(name.substr(0, kShown)) + "', which is not on the list of what weights need",
                    "save the weights alone, torch.save(model.state_dict(), path); code is never run"};
    push(Kind::Class).integer = row;
  }

  static std::vector<int64_t> counts_of(const Value& value) {
    if ((value.kind != Kind::Tuple && value.kind != Kind::List) || value.items.size() > kMaxDimensions)
      throw Corrupt{"its pickle has a tensor without a shape"};
    std::vector<int64_t> counts;
    for (const Value* item : value.items) {
      if (item->kind != Kind::Int || item->integer < 0) throw Corrupt{"its pickle has a tensor of negative size"};
      counts.push_back(item->integer);
    }
    return counts;
  }

  // (storage, offset, size, stride, ...)
  PickleTensor& rebuild_tensor(const std::vector<Value*>& arguments) {
    if (arguments.size() < 4 || arguments[0]->kind != Kind::Storage || arguments[1]->kind != Kind::Int ||
        arguments[1]->integer < 0)
      throw Corrupt{"its pickle has a tensor without a storage"};
    PickleTensor tensor{*arguments[0]->storage, arguments[1]->integer, counts_of(*arguments[2]),
                        counts_of(*arguments[3])};
    if (tensor.shape.size() != tensor.strides.size())
      throw Corrupt{"its pickle has a tensor whose shape and strides differ"};
    Value& value = push(Kind::Tensor);
    PickleTensor& kept = pickle_.tensors.emplace_back(std::move(tensor));
    value.tensor = &kept;
    return kept;
  }

  // Its seventh argument is the type of the elements; the storage is of bytes.
  void rebuild_tensor_v3(const std::vector<Value*>& arguments) {
    if (arguments.size() < 7 || arguments[6]->kind != Kind::Class ||
        pickle_class(arguments[6]->integer).role != PickleRole::ElementType)
      throw Corrupt{"its pickle has a tensor without a type"};
    PickleTensor& tensor = rebuild_tensor(arguments);
    tensor.storage.size /= static_cast<int64_t>(dtype_bytes(pickle_class(arguments[6]->integer).dtype));
    tensor.storage.dtype = pickle_class(arguments[6]->integer).dtype;
  }

  // OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]).
  void make_dict(const std::vector<Value*>& arguments) {
    std::vector<Value*> items;
    if (!arguments.empty()) {
      charge(arguments[0]->items.size());
      for (const Value* pair : arguments[0]->items) {
        if (pair->items.size() != 2) throw Corrupt{"its pickle has a dict of no pairs"};
        items.insert(items.end(), pair->items.begin(), pair->items.end());
      }
    }
    push_items(Kind::Dict, std::move(items));
  }

  void call(const Value& callable, const std::vector<Value*>& arguments) {
    if (callable.kind != Kind::Class) throw Corrupt{"its pickle calls what is no class"};
    const PickleClass& row = pickle_class(callable.integer);
    const auto reject = [&] { throw Corrupt{"its pickle calls '" + std::string(row.name) + "' in no known way"}; };
    switch (row.role) {
      case PickleRole::Dict:
        return make_dict(arguments);
      case PickleRole::Tensor:
        rebuild_tensor(arguments);
        return;
      case PickleRole::TensorV3:
        return rebuild_tensor_v3(arguments);
      case PickleRole::TypedRebuild: {  // (function, type, arguments, state)
        const bool good = arguments.size() >= 3 && arguments[0]->kind == Kind::Class &&
                          pickle_class(arguments[0]->integer).role != PickleRole::TypedRebuild;
        if (!good) reject();
        return call(*arguments[0], arguments[2]->items);
      }
      case PickleRole::First:
        if (arguments.empty()) reject();
        stack_.push_back(arguments[0]);
        return;
      case PickleRole::Opaque:
        push(Kind::Opaque);
        return;
      case PickleRole::Storage:
      case PickleRole::ElementType:
        reject();
    }
  }

  std::span<const std::byte> bytes_;
  size_t position_ = 0;
  size_t charged_ = 0;
  bool stopped_ = false;
  Pickle pickle_;
  std::vector<Value*> stack_;
  std::unordered_map<uint32_t, Value*> memo_;
};

using Step = void (*)(Machine&);

struct Opcode {
  uint8_t code;
  Step step;
};

constexpr std::array kOpcodes = {
    Opcode{0x80, [](Machine& m) { m.take(1); }},                             // PROTO
    Opcode{0x95, [](Machine& m) { m.take(8); }},                             // FRAME
    Opcode{'.', [](Machine& m) { m.stop(); }},                               // STOP
    Opcode{'(', [](Machine& m) { m.push(Kind::Mark); }},                     // MARK
    Opcode{'0', [](Machine& m) { m.pop(); }},                                // POP
    Opcode{'1', [](Machine& m) { m.pop_to_mark(); }},                        // POP_MARK
    Opcode{'N', [](Machine& m) { m.push(Kind::None); }},                     // NONE
    Opcode{0x88, [](Machine& m) { m.push_bool(true); }},                     // NEWTRUE
    Opcode{0x89, [](Machine& m) { m.push_bool(false); }},                    // NEWFALSE
    Opcode{'J', [](Machine& m) { m.push_int(m.read<int32_t>()); }},          // BININT
    Opcode{'K', [](Machine& m) { m.push_int(m.read<uint8_t>()); }},          // BININT1
    Opcode{'M', [](Machine& m) { m.push_int(m.read<uint16_t>()); }},         // BININT2
    Opcode{0x8a, [](Machine& m) { m.push_long(m.read<uint8_t>()); }},        // LONG1
    Opcode{0x8b, [](Machine& m) { m.push_long(m.read<uint32_t>()); }},       // LONG4
    Opcode{'G', [](Machine& m) { m.push_double(); }},                        // BINFLOAT
    Opcode{'U', [](Machine& m) { m.push_text(m.read<uint8_t>()); }},         // SHORT_BINSTRING
    Opcode{'T', [](Machine& m) { m.push_text(m.read<uint32_t>()); }},        // BINSTRING
    Opcode{0x8c, [](Machine& m) { m.push_text(m.read<uint8_t>()); }},        // SHORT_BINUNICODE
    Opcode{'X', [](Machine& m) { m.push_text(m.read<uint32_t>()); }},        // BINUNICODE
    Opcode{0x8d, [](Machine& m) { m.push_text(m.read<uint64_t>()); }},       // BINUNICODE8
    Opcode{'C', [](Machine& m) { m.push_text(m.read<uint8_t>()); }},         // SHORT_BINBYTES
    Opcode{'B', [](Machine& m) { m.push_text(m.read<uint32_t>()); }},        // BINBYTES
    Opcode{0x8e, [](Machine& m) { m.push_text(m.read<uint64_t>()); }},       // BINBYTES8
    Opcode{0x96, [](Machine& m) { m.push_text(m.read<uint64_t>()); }},       // BYTEARRAY8
    Opcode{')', [](Machine& m) { m.push_tuple(0); }},                        // EMPTY_TUPLE
    Opcode{0x85, [](Machine& m) { m.push_tuple(1); }},                       // TUPLE1
    Opcode{0x86, [](Machine& m) { m.push_tuple(2); }},                       // TUPLE2
    Opcode{0x87, [](Machine& m) { m.push_tuple(3); }},                       // TUPLE3
    Opcode{'t', [](Machine& m) { m.push_items(Kind::Tuple, m.pop_to_mark()); }},  // TUPLE
    Opcode{'l', [](Machine& m) { m.push_items(Kind::List, m.pop_to_mark()); }},   // LIST
    Opcode{']', [](Machine& m) { m.push(Kind::List); }},                     // EMPTY_LIST
    Opcode{'}', [](Machine& m) { m.push(Kind::Dict); }},                     // EMPTY_DICT
    Opcode{0x8f, [](Machine& m) { m.push(Kind::Opaque); }},                  // EMPTY_SET
    Opcode{0x90, [](Machine& m) { m.append(m.pop_to_mark()); }},             // ADDITEMS
    Opcode{0x91, [](Machine& m) { m.pop_to_mark(), m.push(Kind::Opaque); }}, // FROZENSET
    Opcode{'a', [](Machine& m) { m.append({m.pop()}); }},                    // APPEND
    Opcode{'e', [](Machine& m) { m.append(m.pop_to_mark()); }},              // APPENDS
    Opcode{'s',
           [](Machine& m) {
             Value* value = m.pop();
             m.set_items({m.pop(), value});
           }},                                                               // SETITEM
    Opcode{'u', [](Machine& m) { m.set_items(m.pop_to_mark()); }},           // SETITEMS
    Opcode{'q', [](Machine& m) { m.memoize(m.read<uint8_t>()); }},           // BINPUT
    Opcode{'r', [](Machine& m) { m.memoize(m.read<uint32_t>()); }},          // LONG_BINPUT
    Opcode{0x94, [](Machine& m) { m.memoize_next(); }},                      // MEMOIZE
    Opcode{'h', [](Machine& m) { m.recall(m.read<uint8_t>()); }},            // BINGET
    Opcode{'j', [](Machine& m) { m.recall(m.read<uint32_t>()); }},           // LONG_BINGET
    Opcode{'c', [](Machine& m) { m.push_global(); }},                        // GLOBAL
    Opcode{0x93, [](Machine& m) { m.push_stack_global(); }},                 // STACK_GLOBAL
    Opcode{'Q', [](Machine& m) { m.push_storage(); }},                       // BINPERSID
    Opcode{'R', [](Machine& m) { m.reduce(); }},                             // REDUCE
    Opcode{0x81, [](Machine& m) { m.reduce(); }},                            // NEWOBJ
    Opcode{'b', [](Machine& m) { m.build(); }},                              // BUILD
};

constexpr std::array<Step, 256> steps_by_code() {
  std::array<Step, 256> steps = {};
  for (const Opcode& opcode : kOpcodes) steps[opcode.code] = opcode.step;
  return steps;
}

Pickle Machine::run() {
  static constexpr std::array<Step, 256> kSteps = steps_by_code();
  while (!stopped_) {
    const uint8_t code = read<uint8_t>();
    if (!kSteps[code])
      throw Corrupt{"its pickle has opcode " + std::to_string(code) +
                    ", which is not on the list of what weights need"};
    kSteps[code](*this);
  }
  pickle_.root = pop();
  pickle_.size = position_;
  return std::move(pickle_);
}

}  // namespace

Pickle parse_pickle(std::span<const std::byte> bytes) { return Machine(bytes).run(); }

const PickleValue* find_key(const PickleValue& dict, std::string_view key) {
  if (dict.kind != Kind::Dict) return nullptr;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2)
    if (dict.items[i]->kind == Kind::Text && dict.items[i]->text == key) return dict.items[i + 1];
  return nullptr;
}

}  // namespace resnetft
