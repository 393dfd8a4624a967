// SPDX-License-Identifier: MIT
#include "model/fit.h"

#include <algorithm>

namespace resnetft {
namespace {

constexpr std::string_view kFirst = "conv1.weight";
constexpr std::string_view kCounter = "num_batches_tracked";

bool any_starts_with(const std::vector<std::string>& names, const std::string& start) {
  return std::ranges::any_of(names, [&](const std::string& name) { return name.starts_with(start); });
}

std::vector<int64_t> shape_of(const ShapeMap& shapes, const std::string& name) {
  const auto found = shapes.find(name);
  return found == shapes.end() ? std::vector<int64_t>() : found->second;
}

// "module.layer1.0.": a block's first convolution is called as the stem's.
bool is_inside_a_stage(const std::string& prefix) {
  const size_t at = prefix.rfind("layer");
  return at != std::string::npos && at + 6 < prefix.size() && prefix[at + 6] == '.' &&
         (at == 0 || prefix[at - 1] == '.');
}

Error misfit(const Architecture& architecture, const std::string& detail) {
  return {ErrorCode::Incompatible, detail + " (" + std::string(architecture.name) + ")",
          "pass --arch with another architecture, or other weights"};
}

size_t matches(const ShapeMap& shapes, const std::vector<ParameterSpec>& specs) {
  return static_cast<size_t>(std::ranges::count_if(specs, [&](const ParameterSpec& spec) {
    const auto found = shapes.find(spec.name);
    return found != shapes.end() && found->second == spec.shape;
  }));
}

}  // namespace

std::string Renaming::apply(const std::string& name) const {
  if (!name.starts_with(prefix)) return "";
  std::string renamed = name.substr(prefix.size());
  if (renamed.ends_with(kCounter)) return "";
  if (linear_to_fc && renamed.starts_with("linear.")) return "fc." + renamed.substr(7);
  if (fc_to_linear && renamed.starts_with("fc.")) return "linear." + renamed.substr(3);
  return renamed;
}

Result<Renaming> find_renaming(const std::vector<std::string>& names) {
  std::vector<std::string> prefixes;
  for (const std::string& name : names)
    if (name.ends_with(kFirst)) prefixes.push_back(name.substr(0, name.size() - kFirst.size()));
  std::erase_if(prefixes, is_inside_a_stage);
  std::ranges::sort(prefixes, {}, &std::string::size);
  Renaming renaming;
  if (prefixes.empty()) return renaming;
  renaming.prefix = prefixes.front();
  if (prefixes.size() > 1 && !renaming.prefix.empty())
    return Error{ErrorCode::Incompatible,
                 "there are several networks, '" + prefixes[0] + "' and '" + prefixes[1] + "' among them",
                 "write a file that holds the tensors of one"};
  const bool four_stages = any_starts_with(names, renaming.prefix + "layer4.");
  renaming.linear_to_fc = four_stages;
  renaming.fc_to_linear = !four_stages;
  return renaming;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t extent : shape) {
    if (!text.empty()) text += 'x';
    text += std::to_string(extent);
  }
  return text.empty() ? "scalar" : text;
}

std::vector<ParameterSpec> tensor_specs(const Architecture& architecture, int64_t num_classes,
                                        Normalization normalization) {
  std::vector<ParameterSpec> specs = parameter_specs(architecture, num_classes);
  if (normalization == Normalization::Layer || normalization == Normalization::Group) return specs;
  const size_t parameters = specs.size();
  for (size_t i = 0; i < parameters; ++i) {
    const std::string& name = specs[i].name;
    const bool norm_weight = specs[i].shape.size() == 1 && name.ends_with(".weight");
    if (!norm_weight) continue;
    const std::string norm = name.substr(0, name.rfind('.'));
    const std::vector<int64_t> shape = specs[i].shape;
    specs.push_back({norm + ".running_mean", shape});
    specs.push_back({norm + ".running_var", shape});
  }
  return specs;
}

int64_t classes_of(const ShapeMap& shapes) {
  for (const char* name : {"fc.weight", "linear.weight"})
    if (const std::vector<int64_t> shape = shape_of(shapes, name); shape.size() == 2) return shape[0];
  return 0;
}

Status check_fit(const ShapeMap& shapes, const Architecture& architecture, int64_t num_classes,
                 Normalization normalization) {
  const std::vector<ParameterSpec> specs = tensor_specs(architecture, num_classes, normalization);
  for (const ParameterSpec& spec : specs) {
    const auto found = shapes.find(spec.name);
    if (found == shapes.end())
      return misfit(architecture, "tensor '" + spec.name + "' of " + shape_text(spec.shape) + " is missing");
    if (found->second != spec.shape)
      return misfit(architecture,
                    "tensor '" + spec.name + "' is " + shape_text(found->second) + ", not " + shape_text(spec.shape));
  }
  if (shapes.size() == specs.size()) return Status::success();
  for (const auto& [name, shape] : shapes)
    if (std::ranges::find(specs, name, &ParameterSpec::name) == specs.end())
      return misfit(architecture, "tensor '" + name + "' of " + shape_text(shape) + " has no place");
  return Status::success();
}

Result<Architecture> detect_architecture(const ShapeMap& shapes, Normalization normalization) {
  const int64_t num_classes = classes_of(shapes);
  if (num_classes == 0)
    return Error{ErrorCode::Incompatible, "there is no head: neither 'fc.weight' nor 'linear.weight'",
                 "use weights of a whole ResNet"};
  const Architecture* nearest = nullptr;
  size_t most = 0;
  for (const Architecture& architecture : architectures()) {
    if (check_fit(shapes, architecture, num_classes, normalization)) return architecture;
    const size_t count = matches(shapes, tensor_specs(architecture, num_classes, normalization));
    if (!nearest || count > most) {
      nearest = &architecture;
      most = count;
    }
  }
  return check_fit(shapes, *nearest, num_classes, normalization).error();
}

}  // namespace resnetft
