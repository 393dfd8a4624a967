// SPDX-License-Identifier: MIT
// What state dicts, and the optimizer's and training loop's state that is saved beside them, need with PyTorch 0.4 to
// 2.x. None of it is called: a role says which of the arguments the reader keeps.
#include "model/pickle_classes.h"

#include <array>

namespace resnetft {
namespace {

using Role = PickleRole;

constexpr std::array kClasses = {
    PickleClass{"collections", "OrderedDict", Role::Dict},
    PickleClass{"torch._utils", "_rebuild_tensor_v2", Role::Tensor},
    PickleClass{"torch._utils", "_rebuild_tensor", Role::Tensor},
    PickleClass{"torch._utils", "_rebuild_tensor_v3", Role::TensorV3},
    PickleClass{"torch._utils", "_rebuild_parameter", Role::First},
    PickleClass{"torch._utils", "_rebuild_parameter_with_state", Role::First},
    PickleClass{"torch._tensor", "_rebuild_from_type_v2", Role::TypedRebuild},
    PickleClass{"torch", "Size", Role::First},

    PickleClass{"torch", "HalfStorage", Role::Storage, DType::F16},
    PickleClass{"torch", "BFloat16Storage", Role::Storage, DType::BF16},
    PickleClass{"torch", "FloatStorage", Role::Storage, DType::F32},
    PickleClass{"torch", "DoubleStorage", Role::Storage, DType::F64},
    PickleClass{"torch", "CharStorage", Role::Storage, DType::I8},
    PickleClass{"torch", "ShortStorage", Role::Storage, DType::I16},
    PickleClass{"torch", "IntStorage", Role::Storage, DType::I32},
    PickleClass{"torch", "LongStorage", Role::Storage, DType::I64},
    PickleClass{"torch", "ByteStorage", Role::Storage, DType::U8},
    PickleClass{"torch", "BoolStorage", Role::Storage, DType::Bool},
    PickleClass{"torch.storage", "UntypedStorage", Role::Storage, DType::U8},
    PickleClass{"torch", "UntypedStorage", Role::Storage, DType::U8},
    PickleClass{"torch.cuda", "HalfStorage", Role::Storage, DType::F16},
    PickleClass{"torch.cuda", "BFloat16Storage", Role::Storage, DType::BF16},
    PickleClass{"torch.cuda", "FloatStorage", Role::Storage, DType::F32},
    PickleClass{"torch.cuda", "DoubleStorage", Role::Storage, DType::F64},
    PickleClass{"torch.cuda", "LongStorage", Role::Storage, DType::I64},
    PickleClass{"torch.cuda", "ByteStorage", Role::Storage, DType::U8},

    PickleClass{"torch", "float16", Role::ElementType, DType::F16},
    PickleClass{"torch", "bfloat16", Role::ElementType, DType::BF16},
    PickleClass{"torch", "float32", Role::ElementType, DType::F32},
    PickleClass{"torch", "float64", Role::ElementType, DType::F64},
    PickleClass{"torch", "int8", Role::ElementType, DType::I8},
    PickleClass{"torch", "int16", Role::ElementType, DType::I16},
    PickleClass{"torch", "int32", Role::ElementType, DType::I32},
    PickleClass{"torch", "int64", Role::ElementType, DType::I64},
    PickleClass{"torch", "uint8", Role::ElementType, DType::U8},
    PickleClass{"torch", "bool", Role::ElementType, DType::Bool},

    PickleClass{"torch", "Tensor", Role::Opaque},
    PickleClass{"torch.nn.parameter", "Parameter", Role::Opaque},
    PickleClass{"torch", "device", Role::Opaque},
    PickleClass{"collections", "Counter", Role::Opaque},
    PickleClass{"_codecs", "encode", Role::Opaque},
    PickleClass{"builtins", "set", Role::Opaque},
    PickleClass{"__builtin__", "set", Role::Opaque},
    PickleClass{"builtins", "bytearray", Role::Opaque},
    PickleClass{"__builtin__", "bytearray", Role::Opaque},
    PickleClass{"builtins", "complex", Role::Opaque},
    PickleClass{"__builtin__", "complex", Role::Opaque},
    PickleClass{"argparse", "Namespace", Role::Opaque},  // torchvision's reference script saves its options
    PickleClass{"numpy", "dtype", Role::Opaque},         // a best accuracy is often a NumPy number
    PickleClass{"numpy.core.multiarray", "scalar", Role::Opaque},
    PickleClass{"numpy._core.multiarray", "scalar", Role::Opaque},
};

}  // namespace

int64_t find_pickle_class(std::string_view module, std::string_view name) {
  for (size_t row = 0; row < kClasses.size(); ++row)
    if (kClasses[row].module == module && kClasses[row].name == name) return static_cast<int64_t>(row);
  return -1;
}

const PickleClass& pickle_class(int64_t row) { return kClasses.at(static_cast<size_t>(row)); }

}  // namespace resnetft
