// SPDX-License-Identifier: MIT
// Key files of the group [train]: --config, and the args.ini that repeats a run. Values are bytes, as file names are:
// GLib's own string functions would want UTF-8.
#include <glib.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "train_options.h"

namespace resnetft::tool {
namespace {

namespace fs = std::filesystem;

constexpr char kGroup[] = "train";

struct Freed {
  void operator()(char* text) const { g_free(text); }
  void operator()(char** texts) const { g_strfreev(texts); }
  void operator()(GError* error) const { g_error_free(error); }
  void operator()(GKeyFile* file) const { g_key_file_unref(file); }
};

struct Escape {
  char plain, letter;
};
// A space at an end of a value would be cut off.
constexpr Escape kEscapes[] = {{' ', 's'}, {'\n', 'n'}, {'\t', 't'}, {'\r', 'r'}, {'\\', '\\'}};

std::string escaped(const std::string& value) {
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    const auto* escape = std::ranges::find(kEscapes, value[i], &Escape::plain);
    const bool inner_space = value[i] == ' ' && i > 0 && i + 1 < value.size();
    if (escape == std::end(kEscapes) || inner_space) {
      text += value[i];
    } else {
      text.append("\\") += escape->letter;
    }
  }
  return text;
}

std::string unescaped(const std::string& text) {
  std::string value;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto* escape =
        text[i] == '\\' && i + 1 < text.size() ? std::ranges::find(kEscapes, text[i + 1], &Escape::letter) : nullptr;
    if (escape && escape != std::end(kEscapes)) {
      value += escape->plain;
      ++i;
    } else {
      value += text[i];
    }
  }
  return value;
}

Error file_error(const std::string& path, const GError& error) {
  if (error.domain == G_FILE_ERROR)
    return {error.code == G_FILE_ERROR_NOENT ? ErrorCode::NotFound : ErrorCode::Io,
            "cannot read the configuration '" + path + "': " + error.message, "check its name"};
  return {ErrorCode::CorruptFile, "the configuration '" + path + "': " + error.message,
          "write a line [train], then NAME=VALUE"};
}

Status only_our_group(const std::string& path, GKeyFile* file) {
  const std::unique_ptr<char*, Freed> groups(g_key_file_get_groups(file, nullptr));
  for (char** group = groups.get(); *group; ++group)
    if (std::string_view(*group) != kGroup)
      return Error{ErrorCode::InvalidArgument, "the configuration '" + path + "' has a group [" + *group + "]",
                   "write all options below [train]"};
  if (g_key_file_has_group(file, kGroup)) return Status::success();
  return Error{ErrorCode::InvalidArgument, "the configuration '" + path + "' has no group [train]",
               "write a line [train] above its options"};
}

Status add_file(CommandLine& line, const std::string& path) {
  const std::unique_ptr<GKeyFile, Freed> file(g_key_file_new());
  GError* raw_error = nullptr;
  if (!g_key_file_load_from_file(file.get(), path.c_str(), G_KEY_FILE_NONE, &raw_error))
    return file_error(path, *std::unique_ptr<GError, Freed>(raw_error));
  if (Status status = only_our_group(path, file.get()); !status) return status;
  const std::unique_ptr<char*, Freed> keys(g_key_file_get_keys(file.get(), kGroup, nullptr, nullptr));
  for (char** key = keys.get(); *key; ++key) {
    const std::unique_ptr<char, Freed> value(g_key_file_get_value(file.get(), kGroup, *key, nullptr));
    if (Status status = line.add(*key, unescaped(value.get())); !status)
      return Error{status.error().code, "the configuration '" + path + "': " + status.error().message,
                   status.error().hint.empty() ? "see ft-tool train --help" : status.error().hint};
  }
  return Status::success();
}

// What the run that goes on was begun with; OUTPUT/checkpoints/FILE lies in the run's folder OUTPUT.
std::string arguments_of_resumed(const CommandLine& line) {
  std::error_code ignored;
  const fs::path folder = line.text("resume") == "auto"
                              ? fs::path(line.text("output"))
                              : fs::absolute(line.text("resume"), ignored).parent_path().parent_path();
  return fs::exists(folder / "args.ini", ignored) ? (folder / "args.ini").string() : "";
}

}  // namespace

Result<CommandLine> with_config(const CommandLine& line) {
  CommandLine all = line;
  // What the user named in a file wins over what the run's own file says, as the command line does over both.
  if (line.given("config"))
    if (Status status = add_file(all, line.text("config")); !status) return status.error();
  if (const std::string file = line.given("resume") ? arguments_of_resumed(line) : ""; !file.empty())
    if (Status status = add_file(all, file); !status) return status.error();
  return all;
}

std::string config_text(const std::vector<std::pair<std::string, std::string>>& arguments) {
  std::string text =
      "# ft-tool train --config THIS --output FOLDER repeats the run.\n"
      "[train]\n";
  for (const auto& [name, value] : arguments) text += name + "=" + escaped(value) + "\n";
  return text;
}

}  // namespace resnetft::tool
