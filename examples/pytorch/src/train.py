"""Train the network on CPU, the same way each time."""

from pathlib import Path

import torch
import yaml
from net import network, rows

params = yaml.safe_load(Path("params.yaml").read_text())["train"]
torch.manual_seed(params["seed"])
torch.set_num_threads(1)
_, pixels, labels = rows(held_out=False)
model = network(params["hidden"])
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(params["epochs"]):
    for batch in torch.randperm(len(labels)).split(64):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(pixels[batch]), labels[batch]).backward()
        optimizer.step()
torch.save(model.state_dict(), "model.pt")
