#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes training_values.json beside this script: what PyTorch's Python (torch 2.11.0) makes of small tensors over 20
steps, for optimisers, schedules, losses, averaging and clipping; and gradients of each kind of block."""
import json
import math
import pathlib

import torch
import torch.nn.functional as F

STEPS = 20


def rule(shape, step, salt):
    """Numbers that C++ makes too: sin(0.37 i + 1.3 step + salt) in double, rounded to float."""
    count = math.prod(shape)
    return torch.tensor([math.sin(0.37 * i + 1.3 * step + salt) for i in range(count)],
                        dtype=torch.float64).float().reshape(shape)


def optimizers():
    makers = {
        "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
        "sgd-nesterov": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True),
        "adam": lambda groups: torch.optim.Adam(groups, lr=0.1),
        "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.1),
    }
    out = {}
    for name, make in makers.items():
        a, b = rule((3, 4), 0, 0.0), rule((5,), 0, 0.5)
        a.requires_grad_(), b.requires_grad_()
        optimizer = make([{"params": [a], "weight_decay": 0.05}, {"params": [b], "weight_decay": 0.0, "lr": 0.05}])
        for step in range(STEPS):
            a.grad, b.grad = rule((3, 4), step + 1, 1.0), rule((5,), step + 1, 2.0)
            optimizer.step()
        out[name] = {"a": a.detach().flatten().tolist(), "b": b.detach().tolist()}
    return out


def schedules():
    sched = torch.optim.lr_scheduler

    def run(make):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
        scheduler = make(optimizer)
        rates = []
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return rates

    def warm(optimizer, main):
        return sched.SequentialLR(optimizer, [sched.LinearLR(optimizer, start_factor=0.01, total_iters=5), main], [5])

    out = {
        "cosine": run(lambda o: sched.CosineAnnealingLR(o, T_max=STEPS, eta_min=0.01)),
        "cosine-warmup": run(lambda o: warm(o, sched.CosineAnnealingLR(o, T_max=STEPS - 5, eta_min=0.01))),
        "step": run(lambda o: sched.StepLR(o, step_size=6, gamma=0.5)),
        "step-warmup": run(lambda o: warm(o, sched.StepLR(o, step_size=6, gamma=0.5))),
        "onecycle": run(lambda o: sched.OneCycleLR(o, max_lr=0.4, total_steps=STEPS + 1)),
        "constant": [0.4] * STEPS,
    }
    # One more step than is taken: OneCycleLR refuses the step after its last.
    out["onecycle"] = []
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    scheduler = sched.OneCycleLR(optimizer, max_lr=0.4, total_steps=STEPS)
    for step in range(STEPS):
        out["onecycle"].append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < STEPS:
            scheduler.step()
    metric = [0.1, 0.3, 0.3, 0.29, 0.3, 0.31, 0.31, 0.31, 0.31, 0.31, 0.31, 0.31, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    scheduler = sched.ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=2, min_lr=0.02)
    rates = []
    for value in metric:
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step(value)
    out["plateau"] = {"metric": metric, "rates": rates}
    return out


def losses():
    """20 steps of gradient descent on a linear head, each kind of loss; the loss of each step and the last weights."""
    features, classes, images = 6, 4, 5
    x, ids = rule((images, features), 0, 3.0), torch.tensor([0, 3, 1, 1, 2])
    soft = torch.softmax(rule((images, classes), 0, 4.0), 1)
    weights = torch.tensor([0.5, 2.0, 1.0, 0.25])
    cases = {
        "plain": (ids, 0.0, None),
        "smoothed": (ids, 0.1, None),
        "weighed": (ids, 0.0, weights),
        "weighed-smoothed": (ids, 0.1, weights),
        "soft": (soft, 0.0, None),
        "soft-weighed-smoothed": (soft, 0.1, weights),
    }
    out = {}
    for name, (target, smoothing, weight) in cases.items():
        w, b = rule((classes, features), 0, 5.0).requires_grad_(), rule((classes,), 0, 6.0).requires_grad_()
        optimizer = torch.optim.SGD([w, b], lr=0.5)
        values = []
        for _ in range(STEPS):
            loss = F.cross_entropy(F.linear(x, w, b), target, weight=weight, label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            values.append(loss.item())
        out[name] = {"losses": values, "weight": w.detach().flatten().tolist(), "bias": b.detach().tolist()}
    return out


def averages():
    """torchvision's ExponentialMovingAverage: AveragedModel with its avg_fn, and the rule without a decay."""
    out = {}
    for name, rescaled in (("rescaled", True), ("warm", False)):
        parameter = torch.nn.Parameter(rule((7,), 0, 7.0))
        model = torch.nn.Module()
        model.p = parameter
        # batch 8, steps 2, epochs 10, decay 0.99
        alpha = min(1.0, (1.0 - 0.99) * 8 * 2 / 10)

        def average(avg, value, count, alpha=alpha, rescaled=rescaled):
            t = float(count)
            keep = 1.0 - alpha if rescaled else min(0.9998, (1 + t) / (10 + t))
            return keep * avg + (1 - keep) * value

        if rescaled:
            averaged = torch.optim.swa_utils.AveragedModel(model, avg_fn=average)
            for step in range(STEPS):
                parameter.data = rule((7,), step + 1, 7.0)
                averaged.update_parameters(model)
            out[name] = averaged.module.p.detach().tolist()
        else:
            value = parameter.detach().clone()
            for step in range(STEPS):
                value = average(value, rule((7,), step + 1, 7.0), step)
            out[name] = value.tolist()
    return out


def clipping():
    out = []
    for step in range(STEPS):
        a, b = torch.zeros(3, 4, requires_grad=True), torch.zeros(5, requires_grad=True)
        a.grad, b.grad = rule((3, 4), step, 8.0) * (step + 1) / 4, rule((5,), step, 9.0)
        norm = torch.nn.utils.clip_grad_norm_([a, b], 2.0)
        out.append({"norm": norm.item(), "a": a.grad.flatten().tolist(), "b": b.grad.tolist()})
    return out


def decays():
    """torchvision's rescaled keep for (decay, batch, steps, epochs)."""
    rows = [(0.99998, 128, 32, 600), (0.99, 8, 2, 10), (0.5, 256, 32, 3)]
    return [{"decay": d, "batch": b, "steps": s, "epochs": e, "keep": 1.0 - min(1.0, (1.0 - d) * b * s / e)}
            for d, b, s, e in rows]


class CifarBlock(torch.nn.Module):
    """Two 3x3 convolutions with an option-A shortcut (He et al. 2016, section 4.2)."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1, self.bn1 = torch.nn.Conv2d(cin, cout, 3, stride, 1, bias=False), torch.nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = torch.nn.Conv2d(cout, cout, 3, 1, 1, bias=False), torch.nn.BatchNorm2d(cout)
        self.stride, self.grow = stride, cout - cin

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.grow // 2, self.grow // 2))
        return F.relu(y + x)


class CifarNet(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1, self.bn1 = torch.nn.Conv2d(3, 16, 3, 1, 1, bias=False), torch.nn.BatchNorm2d(16)
        for stage, (cin, cout) in enumerate(((16, 16), (16, 32), (32, 64))):
            blocks = [CifarBlock(cin if i == 0 else cout, cout, 2 if stage > 0 and i == 0 else 1) for i in range(3)]
            setattr(self, f"layer{stage + 1}", torch.nn.Sequential(*blocks))
        self.linear = torch.nn.Linear(64, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


def gradients():
    """In double, so that the rounding of deep nets hides nothing: two pictures from the rule, training mode. The zoo's
    weights are of seed 1, the CIFAR net's from the rule."""
    import torchvision
    out = {}
    for name in ("resnet20", "resnet18", "resnet50", "resnext50_32x4d"):
        torch.manual_seed(1)
        net = CifarNet(5) if name == "resnet20" else torchvision.models.get_model(name, weights=None, num_classes=5)
        if name == "resnet20":
            for index, parameter in enumerate(net.parameters()):
                if parameter.dim() > 1:
                    fan_in = parameter[0].numel()
                    parameter.data = rule(tuple(parameter.shape), index, 0.0) * math.sqrt(2 / fan_in)
            net.linear.bias.data.zero_()
        net.double().train()
        loss = F.cross_entropy(net(rule((2, 3, 64, 64), 0, 0.25).double()), torch.tensor([1, 3]))
        loss.backward()
        out[name] = {"loss": loss.item(), "gradients": {}}
        for key, parameter in net.named_parameters():
            if key.startswith(("conv1", "bn1", "layer1.0.", "layer3.0.", "layer4.0.", "fc", "linear")):
                out[name]["gradients"][key] = {"norm": parameter.grad.norm().item(),
                                               "first": parameter.grad.flatten()[:3].tolist()}
    return out


if __name__ == "__main__":
    torch.set_num_threads(1)
    values = {"torch": torch.__version__, "optimizers": optimizers(), "schedules": schedules(), "losses": losses(),
              "averages": averages(), "decays": decays(), "clipping": clipping(), "gradients": gradients()}
    path = pathlib.Path(__file__).with_name("training_values.json")
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
