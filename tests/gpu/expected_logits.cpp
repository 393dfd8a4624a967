// SPDX-License-Identifier: MIT
// Writes the logits that the CPU's engine gives the cases of net_cases.h: a line for each picture.
#include <cstdio>

#include "infer/onednn/onednn_engine.h"
#include "tests/gpu/net_cases.h"

namespace resnetft::testing {
namespace {

Status write(const NetCase& net) {
  const EngineSpec spec{.width = net.width, .height = net.height, .max_batch = 1, .threads = 2};
  const auto engine = create_onednn_engine(card_of(net), weights_of(net), spec);
  if (!engine) return engine.error();
  const auto session = (*engine)->create_session();
  if (!session) return session.error();
  for (int picture = 0; picture < kNetPictures; ++picture) {
    fill_picture((*session)->input(0), static_cast<unsigned>(picture));
    if (Status status = (*session)->run(1); !status) return status;
    std::printf("%s %d:", text_of(net).c_str(), picture);
    for (const float logit : (*session)->logits(0)) std::printf(" %.9g", static_cast<double>(logit));
    std::printf("\n");
  }
  return Status::success();
}

}  // namespace
}  // namespace resnetft::testing

int main() {
  for (const auto& net : resnetft::testing::kNetCases)
    if (const resnetft::Status status = resnetft::testing::write(net); !status)
      return std::fprintf(stderr, "expected_logits: %s\n", to_string(status.error()).c_str()), 1;
}
