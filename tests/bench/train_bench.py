# SPDX-License-Identifier: MIT
"""The loop of train_bench in Python PyTorch: the same net, size, batch and folder, SGD, random crop and flip, channels
last, decoding by Pillow in two worker processes. Prints one JSON object with images/s of each epoch."""
import argparse
import json
import time

import torch
import torch.nn.functional as F
import torchvision
from torch.utils.data import DataLoader
from torchvision import transforms


class CifarBlock(torch.nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1, self.bn1 = torch.nn.Conv2d(cin, cout, 3, stride, 1, bias=False), torch.nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = torch.nn.Conv2d(cout, cout, 3, 1, 1, bias=False), torch.nn.BatchNorm2d(cout)
        self.stride, self.grow = stride, cout - cin

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        if self.stride > 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.grow // 2, self.grow // 2))
        return F.relu(y + x, inplace=True)


def resnet20(num_classes):
    layers = [torch.nn.Conv2d(3, 16, 3, 1, 1, bias=False), torch.nn.BatchNorm2d(16), torch.nn.ReLU(inplace=True)]
    for stage, (cin, cout) in enumerate(((16, 16), (16, 32), (32, 64))):
        layers += [CifarBlock(cin if i == 0 else cout, cout, 2 if stage > 0 and i == 0 else 1) for i in range(3)]
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
                               torch.nn.Linear(64, num_classes))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arch")
    parser.add_argument("size", type=int)
    parser.add_argument("batch", type=int)
    parser.add_argument("epochs", type=int)
    parser.add_argument("folder")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    size = arguments.size
    crop = (transforms.RandomCrop(size, padding=size // 8) if size <= 64 else transforms.RandomResizedCrop(size))
    pipeline = transforms.Compose([crop, transforms.RandomHorizontalFlip(), transforms.ToTensor(),
                                   transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    data = torchvision.datasets.ImageFolder(arguments.folder, pipeline)
    loader = DataLoader(data, arguments.batch, shuffle=True, num_workers=2, persistent_workers=True)
    make = resnet20 if arguments.arch == "resnet20" else getattr(torchvision.models, arguments.arch)
    net = make(num_classes=len(data.classes)).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    rates = []
    for _ in range(arguments.epochs):
        begin, images = time.perf_counter(), 0
        for pictures, ids in loader:
            loss = F.cross_entropy(net(pictures.contiguous(memory_format=torch.channels_last)), ids)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            images += len(ids)
        rates.append(images / (time.perf_counter() - begin))
    print(json.dumps({"images-per-second": rates}))


if __name__ == "__main__":
    main()
