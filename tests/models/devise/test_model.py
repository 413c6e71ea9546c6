"""The image-to-word model on random features."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqvise.models.devise.model import ClassPrior, Devise, conse
from seqvise.models.devise.options import DeviseOptions, HeadDropoutOptions
from seqvise.options import option_errors
from seqvise.tasks.optimizers import build_optimizer
from seqvise.tasks.options import OptimizerOptions


def options(**changes: object) -> DeviseOptions:
    return DeviseOptions(**{"hidden": 8, **changes})  # type: ignore[arg-type]


def test_vectors_have_length_1_and_the_direction_of_the_head() -> None:
    torch.manual_seed(0)
    model = Devise(options(), 6, 5).eval()
    features = torch.randn(4, 6)
    raw = model.head(features)
    torch.testing.assert_close(model(features), raw / raw.norm(dim=1, keepdim=True))


def test_the_head_equals_its_equation() -> None:
    torch.manual_seed(0)
    model = Devise(options(batch_norm=False), 6, 5).eval()
    first, second = model.head.maps
    features = torch.randn(3, 6)
    torch.testing.assert_close(model.head(features), second(torch.relu(first(features))))
    assert len(Devise(options(hidden=None), 6, 5).head.maps) == 1


def test_a_batch_of_one_image_trains() -> None:
    model = Devise(options(), 6, 5)
    features = torch.randn(1, 6)
    model.head(features).sum().backward()
    assert torch.isfinite(model.head(features)).all()


def test_the_scale_multiplies_all_dropouts() -> None:
    torch.manual_seed(0)
    model = Devise(options(batch_norm=False, dropout=HeadDropoutOptions(features=0.5, hidden=0.5, scale=0.0)), 6, 5)
    features = torch.randn(3, 6)
    torch.testing.assert_close(model.head(features), model.eval().head(features))
    model.train()
    model.options.dropout.scale = 1.0
    assert not torch.equal(model.head(features), model.head(features))


def test_conse_by_hand() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [-1.0, 0.0]])
    # The third class is the most probable, but has no vector; the next two have probabilities 3 : 1.
    logits = torch.tensor([[3.0, 1.0, 50.0, 0.5]]).log()
    torch.testing.assert_close(conse(logits, vectors, 2), torch.tensor([[3.0, 1.0]]) / 4.5)
    torch.testing.assert_close(conse(logits, vectors, 3), torch.tensor([[2.5, 1.0]]) / 4.5)


def prior(weight: float) -> Devise:
    torch.manual_seed(0)
    model = Devise(options(prior=weight, prior_classes=2), 6, 5, classifier=nn.Linear(6, 4))
    model.set_classes(nn.functional.normalize(torch.randn(4, 5), dim=1))
    return model


def test_the_prior_is_added_and_never_trained() -> None:
    model, features = prior(0.5), torch.randn(3, 6)
    model.eval()
    assert isinstance(model.prior, ClassPrior)
    expected = nn.functional.normalize(model.head(features), dim=1) + 0.5 * model.prior(features)
    torch.testing.assert_close(model(features), expected / expected.norm(dim=1, keepdim=True))
    torch.testing.assert_close(model.prior(features).norm(dim=1), torch.ones(3))
    (group,) = build_optimizer(model, OptimizerOptions()).param_groups
    trained = {id(weight) for weight in group["params"]}
    assert trained == {id(weight) for weight in model.head.parameters()}
    assert "prior.vectors" in model.state_dict()


def test_a_prior_needs_a_classifier() -> None:
    with pytest.raises(ValueError, match="classifier"):
        Devise(options(prior=1.0), 6, 5)


class Body(nn.Module):
    """A network of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.early, self.late = nn.Linear(12, 7), nn.Linear(7, 6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.late(self.early(images.flatten(1)))
        return features


def test_layers_are_unfrozen_by_epoch_with_different_learning_rates() -> None:
    body = Body()
    groups = [list(body.early.parameters()), list(body.late.parameters())]
    model = Devise(options(unfreeze=[1, 3]), 6, 5, backbone=body, groups=groups)
    assert model(torch.randn(2, 3, 2, 2)).shape == (2, 5)
    trained = []
    for epoch in range(4):
        model.unfreeze(epoch)
        trained.append((body.early.weight.requires_grad, body.late.weight.requires_grad))
    assert trained == [(False, False), (False, True), (False, True), (True, True)]
    rates = [group["lr"] for group in build_optimizer(model, OptimizerOptions(lr=1.0)).param_groups]
    assert rates == pytest.approx([1e-3, 1e-2, 1.0])


def test_one_epoch_in_unfreeze_trains_only_the_late_layers() -> None:
    body = Body()
    groups = [list(body.early.parameters()), list(body.late.parameters())]
    model = Devise(options(unfreeze=[0]), 6, 5, backbone=body, groups=groups)
    model.unfreeze(9)
    assert (body.early.weight.requires_grad, body.late.weight.requires_grad) == (False, True)
    rates = [group["lr"] for group in build_optimizer(model, OptimizerOptions(lr=1.0)).param_groups]
    assert rates == pytest.approx([1e-2, 1.0])


def test_a_backbone_that_is_never_unfrozen_is_in_no_group() -> None:
    body = Body()
    model = Devise(options(), 6, 5, backbone=body, groups=[list(body.early.parameters()), list(body.late.parameters())])
    model.unfreeze(7)
    assert not any(weight.requires_grad for weight in body.parameters())
    assert len(build_optimizer(model, OptimizerOptions()).param_groups) == 1


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"loss": "hing"}, "k.loss"),
        ({"negatives": "some"}, "k.negatives"),
        ({"hidden": 0}, "k.hidden"),
        ({"margin": 0.0}, "k.margin"),
        ({"temperature": -1.0}, "k.temperature"),
        ({"prior": -1.0}, "k.prior"),
        ({"prior_classes": 0}, "k.prior_classes"),
        ({"calibration": -0.1}, "k.calibration"),
        ({"unfreeze": [2, 1]}, "k.unfreeze"),
        ({"unfreeze": []}, "k.unfreeze"),
        ({"unfreeze": [-1]}, "k.unfreeze"),
        ({"dropout": HeadDropoutOptions(hidden=1.0)}, "k.dropout.hidden"),
    ],
)
def test_invalid_options_are_reported(changes: dict[str, object], key: str) -> None:
    (message,) = option_errors(options(**changes), "k")
    assert message.startswith(key)
