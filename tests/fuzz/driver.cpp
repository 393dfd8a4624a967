// SPDX-License-Identifier: MIT
// Runs a fuzz target without libFuzzer: every file of the named folders as it is, then, for --seconds N, damaged copies
// of them. Everything is drawn from --seed N, so a crash repeats under a debugger.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937_64;

struct Arguments {
  std::vector<std::filesystem::path> folders;
  double seconds = 0;
  uint64_t seed = 1;
};

Arguments parse(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = values[i];
    const char* next = i + 1 < count ? values[i + 1] : "";
    if (word == "--seconds")
      arguments.seconds = std::atof(next), ++i;
    else if (word == "--seed")
      arguments.seed = std::strtoull(next, nullptr, 10), ++i;
    else
      arguments.folders.emplace_back(word);
  }
  return arguments;
}

std::vector<Bytes> read_corpus(const std::vector<std::filesystem::path>& folders) {
  std::vector<Bytes> corpus;
  for (const std::filesystem::path& folder : folders)
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream stream(entry.path(), std::ios::binary);
      corpus.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
  return corpus;
}

size_t below(Random& random, size_t bound) { return bound == 0 ? 0 : random() % bound; }

void flip_bit(Bytes& bytes, Random& random) {
  if (!bytes.empty()) bytes[below(random, bytes.size())] ^= static_cast<uint8_t>(1u << random() % 8);
}

void set_byte(Bytes& bytes, Random& random) {
  constexpr uint8_t kInteresting[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '"', '[', '{', 'R', 'Q', 'c', '.'};
  if (!bytes.empty()) bytes[below(random, bytes.size())] = kInteresting[random() % std::size(kInteresting)];
}

void cut(Bytes& bytes, Random& random) { bytes.resize(below(random, bytes.size() + 1)); }

void repeat_piece(Bytes& bytes, Random& random) {
  const size_t begin = below(random, bytes.size()),
               size = below(random, std::min<size_t>(bytes.size() - begin, 64) + 1);
  const Bytes piece(bytes.begin() + static_cast<ptrdiff_t>(begin),
                    bytes.begin() + static_cast<ptrdiff_t>(begin + size));
  bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(below(random, bytes.size() + 1)), piece.begin(), piece.end());
}

void write_number(Bytes& bytes, Random& random) {
  constexpr size_t kSizes[] = {2, 4, 8};
  const size_t size = kSizes[random() % 3];
  if (bytes.size() < size) return;
  const uint64_t value = random() % 4 == 0 ? ~uint64_t{0} >> random() % 8 : random() >> random() % 64;
  std::memcpy(bytes.data() + below(random, bytes.size() - size + 1), &value, size);
}

Bytes damaged(const std::vector<Bytes>& corpus, Random& random) {
  constexpr void (*kDamages[])(Bytes&, Random&) = {flip_bit, flip_bit, set_byte, write_number, repeat_piece, cut};
  Bytes bytes = corpus[below(random, corpus.size())];
  for (size_t n = 1 + random() % 4; n > 0; --n) kDamages[random() % std::size(kDamages)](bytes, random);
  return bytes;
}

}  // namespace

int main(int count, char** values) {
  const Arguments arguments = parse(count, values);
  const std::vector<Bytes> corpus = read_corpus(arguments.folders);
  if (corpus.empty()) {
    std::fprintf(stderr, "usage: %s FOLDER... [--seconds N] [--seed N]; the folders hold no file\n", values[0]);
    return 2;
  }
  for (const Bytes& bytes : corpus) LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  uint64_t executions = corpus.size();
  Random random(arguments.seed);
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  while (seconds() < arguments.seconds)
    for (int i = 0; i < 100; ++i, ++executions) {
      const Bytes bytes = damaged(corpus, random);
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
  std::printf("%llu executions\n", static_cast<unsigned long long>(executions));
  return 0;
}
