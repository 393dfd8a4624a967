// SPDX-License-Identifier: MIT
// ft-tool dataset preview: a sheet of pictures as training sees them.
#include <algorithm>
#include <cmath>

#include "base/atomic_file.h"
#include "data/split.h"
#include "dataset.h"
#include "json_text.h"
#include "train/mix.h"
#include "train/recipe.h"
#include "train_options.h"

namespace resnetft::tool {
namespace {

constexpr int kGap = 4, kQuality = 92;
constexpr int kUsualSide = 224, kSmallSide = 64;
constexpr std::string_view kRecipeRows[] = {"train-crop-size", "crop",         "scale-min",
                                            "hflip",           "color-jitter", "auto-augment",
                                            "random-erase",    "mixup-alpha",  "cutmix-alpha"};

// The Recipe that the options say; sides that stay 0 follow the pictures.
Result<Recipe> recipe_of(const CommandLine& line) {
  Recipe recipe;
  recipe.seed = line.number("seed");
  for (const std::string_view name : kRecipeRows)
    if (line.given(name))
      if (Status status = set_recipe_option(recipe, name, line.text(name)); !status) return status.error();
  return recipe;
}

// Pictures up to 64 pixels are learned from as they are, others at 224.
void choose_size(Recipe& recipe, const ImageView& first) {
  if (recipe.train_crop_width == 0) {
    const bool small = std::max(first.width, first.height) <= kSmallSide;
    recipe.train_crop_width = small ? first.width : kUsualSide;
    recipe.train_crop_height = small ? first.height : kUsualSide;
  }
  const bool is_small = std::max(recipe.train_crop_width, recipe.train_crop_height) <= kSmallSide;
  if (recipe.crop_is_auto) recipe.augment.crop = is_small ? CropKind::PadAndCrop : CropKind::RandomResizedCrop;
}

// Of no model in particular.
PreprocessSpec usual_output(const Recipe& recipe) {
  PreprocessSpec spec;
  spec.crop_width = recipe.train_crop_width;
  spec.crop_height = recipe.train_crop_height;
  spec.resize = std::min(32768, std::max(spec.crop_width, spec.crop_height) * 8 / 7);
  if (recipe.augment.crop == CropKind::PadAndCrop) spec.mode = ResizeMode::Stretch;
  return spec;
}

// What the model that is named makes of pictures in training; without one, what is usual.
Result<PreprocessSpec> output_of(const CommandLine& line, Recipe& recipe, const ImageView& first) {
  if (!line.given("model-file") && !line.given("arch")) {
    for (const Option& option : input_options())
      if (line.given(option.name))
        return Error{ErrorCode::InvalidArgument, "--" + std::string(option.name) + " changes what a model says",
                     "name one: --model-file FILE or --arch NAME"};
    choose_size(recipe, first);
    return usual_output(recipe);
  }
  const Result<PlannedInput> planned = plan_input(line);
  if (!planned) return planned.error();
  if (recipe.train_crop_width == 0) {
    recipe.train_crop_width = planned->train_size.width;
    recipe.train_crop_height = planned->train_size.height;
  }
  choose_size(recipe, first);
  return training_output(recipe, planned->card.preprocess);
}

// Cells of one size on white.
class Sheet {
 public:
  Sheet(int columns, int rows, int cell_width, int cell_height)
      : cell_width_(cell_width),
        cell_height_(cell_height),
        width_(kGap + columns * (cell_width + kGap)),
        height_(kGap + rows * (cell_height + kGap)),
        pixels_(static_cast<size_t>(width_) * static_cast<size_t>(height_) * 3, uint8_t{255}) {}

  // [cell_height, cell_width, 3], normalised by `spec`: what was erased has the mean's colour.
  void put(int column, int row, const std::vector<float>& tensor, const PreprocessSpec& spec) {
    const int left = kGap + column * (cell_width_ + kGap), top = kGap + row * (cell_height_ + kGap);
    for (int y = 0; y < cell_height_; ++y)
      for (int x = 0; x < cell_width_; ++x)
        for (size_t channel = 0; channel < 3; ++channel) {
          const float value = tensor[static_cast<size_t>(y * cell_width_ + x) * 3 + channel];
          const float unit = std::clamp(value * spec.std[channel] + spec.mean[channel], 0.0f, 1.0f);
          pixels_[static_cast<size_t>((top + y) * width_ + left + x) * 3 + channel] =
              static_cast<uint8_t>(std::lround(unit * 255));
        }
  }

  Status write(const std::string& path) const {
    const Result<std::string> jpeg = encode_jpeg(pixels_, width_, height_, kQuality);
    if (!jpeg) return jpeg.error();
    return write_file_atomically(path, *jpeg);
  }

 private:
  int cell_width_, cell_height_, width_, height_;
  std::vector<uint8_t> pixels_;
};

using Pictures = std::vector<std::pair<size_t, DecodedImage>>;  // each with its index in the data

// The first pictures of a shuffled order that can be decoded.
Pictures some_pictures(const Dataset& data, size_t count, uint64_t seed) {
  Pictures pictures;
  for (const size_t index : shuffled_order(data.size(), seed, 0)) {
    if (pictures.size() == count) break;
    const Result<DecodedImage> image = data.get(index);
    if (image) pictures.emplace_back(index, *image);
    if (!image) say(to_string(image.error()));
  }
  return pictures;
}

std::vector<float> empty_tensor(const PreprocessSpec& output) {
  return std::vector<float>(static_cast<size_t>(output.crop_width) * static_cast<size_t>(output.crop_height) * 3);
}

// What evaluation sees.
Status draw_plain(Sheet& sheet, const Pictures& pictures, const PreprocessSpec& output) {
  Result<Preprocessor> evaluation = Preprocessor::create(output);
  if (!evaluation) return evaluation.error();
  std::vector<float> tensor = empty_tensor(output);
  for (size_t row = 0; row < pictures.size(); ++row) {
    if (Status status = evaluation->to_tensor(pictures[row].second.view, tensor, TensorLayout::Nhwc); !status)
      return status;
    sheet.put(0, static_cast<int>(row), tensor, output);
  }
  return Status::success();
}

// What an epoch sees, as if the pictures were a batch.
Status draw_view(Sheet& sheet, const Pictures& pictures, const Recipe& recipe, const PreprocessSpec& output,
                 Augmenter& augmenter, uint32_t epoch) {
  std::vector<std::vector<float>> batch(pictures.size(), empty_tensor(output));
  for (size_t row = 0; row < pictures.size(); ++row) {
    const auto& [index, image] = pictures[row];
    const Status status = augmenter.to_tensor(image.view, epoch, static_cast<uint32_t>(index), batch[row]);
    if (!status) return status;
  }
  const MixDraw draw = draw_mix(recipe, epoch, 0, output.crop_width, output.crop_height);
  for (size_t row = 0; row < batch.size(); ++row) {
    std::vector<float> mixed = batch[row];
    mix_picture(draw, batch[(row + batch.size() - 1) % batch.size()], mixed, output.crop_width);
    sheet.put(static_cast<int>(epoch) + 1, static_cast<int>(row), mixed, output);
  }
  return Status::success();
}

Result<std::string> jpeg_target(const CommandLine& line) {
  Result<std::string> output = required_text(line, "output", "FILE.jpg");
  if (output && !output->ends_with(".jpg") && !output->ends_with(".jpeg"))
    return Error{ErrorCode::InvalidArgument, "output '" + *output + "' does not end in .jpg", "a JPEG is written"};
  return output;
}

}  // namespace

std::vector<Option> preview_options() {
  std::vector<Option> rows;
  for (const std::string_view name : kRecipeRows)
    if (const Option* row = find_option(recipe_options(), name)) rows.push_back(*row);
  for (const Option& row : input_options()) rows.push_back(row);
  return rows;
}

Result<int> preview_dataset(const CommandLine& line, const std::string& folder) {
  const Result<std::string> output_path = jpeg_target(line);
  if (!output_path) return output_path.error();
  Result<Recipe> recipe = recipe_of(line);
  if (!recipe) return recipe.error();
  const Result<std::vector<DataPart>> parts = open_parts(folder);
  if (!parts) return parts.error();
  const Dataset& data = *parts->front().data;
  const Pictures pictures = some_pictures(data, line.number("images"), line.number("seed"));
  if (pictures.empty())
    return Error{ErrorCode::CorruptFile, "no picture in '" + folder + "' can be decoded", "see ft-tool dataset verify"};

  const Result<PreprocessSpec> drawn = output_of(line, *recipe, pictures.front().second.view);
  if (!drawn) return drawn.error();
  const PreprocessSpec& output = *drawn;
  Result<Augmenter> augmenter = Augmenter::create(recipe->augment, output, line.number("seed"));
  if (!augmenter) return augmenter.error();
  const int views = static_cast<int>(line.number("views")), rows = static_cast<int>(pictures.size());
  Sheet sheet(views + 1, rows, output.crop_width, output.crop_height);
  if (Status status = draw_plain(sheet, pictures, output); !status) return status.error();
  for (uint32_t epoch = 0; epoch < static_cast<uint32_t>(views); ++epoch)
    if (Status status = draw_view(sheet, pictures, *recipe, output, *augmenter, epoch); !status) return status.error();
  if (Status status = sheet.write(*output_path); !status) return status.error();
  OrderedJson json;
  json["output"] = *output_path;
  json["images"] = OrderedJson::array();
  for (const auto& [index, image] : pictures) json["images"].push_back(data.name(index));
  json["views"] = views;
  json["size"] = {output.crop_width, output.crop_height};
  const std::string text = line.flag("json")
                               ? json_text(json)
                               : "'" + *output_path + "': " + std::to_string(rows) + " pictures, " +
                                     std::to_string(views) + " views each, " + std::to_string(output.crop_width) + "x" +
                                     std::to_string(output.crop_height);
  if (Status status = write_out(text + "\n"); !status) return status.error();
  return 0;
}

}  // namespace resnetft::tool
