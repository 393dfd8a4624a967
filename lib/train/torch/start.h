// SPDX-License-Identifier: MIT
// The net that training begins with: the base's weights, its normalisation converted, and a head for the card's labels.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "model/torch/resnet.h"
#include "train/torch/batch_source.h"
#include "train/trainer.h"

namespace resnetft {

struct StartingNet {
  std::shared_ptr<ResNet> net;
  ModelCard card;         // with the normalisation that the recipe asks for
  bool has_head = false;  // every label's row comes from the base: it can be judged before training
};

// Rows of the head go from the base to the label of the same name (by position where the base names none and has as
// many classes); the others are drawn as torch's Linear draws them, from CounterRandom. Without a base every weight is
// drawn from the seed as torchvision does. Incompatible: another architecture, or a normalisation that cannot be
// converted. Throws as LibTorch does.
Result<StartingNet> start_net(const TrainSpec& spec, const std::function<void(const std::string&)>& note);

// Takes batch statistics anew: the mean over the first batches of the source, until `images` were seen, weighed by
// their pictures.
Status adapt_statistics(ResNet& net, BatchSource& source, size_t images);

}  // namespace resnetft
