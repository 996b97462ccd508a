"""TMVA's weight files, written here as TMVA writes them."""

import numpy as np
import pytest

from gatewright.base import GatewrightError, ModelError, UnsupportedError
from gatewright.frontends import list_layers, read_model
from gatewright.ir import run_real

HEAD = """<?xml version="1.0"?>
<MethodSetup Method="BDT::BDTG">
  <GeneralInfo><Info name="TMVA Release" value="4.2.1 [262657]"/></GeneralInfo>
  <Options>
    <Option name="NTrees" modified="Yes">2</Option>
    <Option name="BoostType" modified="Yes">{boost}</Option>
    <Option name="UseYesNoLeaf" modified="No">{yes_no}</Option>
    <Option name="DoPreselection" modified="No">{preselection}</Option>
  </Options>
  <Variables NVar="2">
    <Variable VarIndex="0" Expression="var1+var2" Type="F" Min="-9" Max="8"/>
    <Variable VarIndex="1" Expression="var3" Type="F" Min="-5" Max="5"/>
  </Variables>
  <Classes NClass="{classes}"/>
  <Transformations NTransformations="{moved}"/>
  <Weights NTrees="2" AnalysisType="{analysis}">
"""
TREES = """
    <BinaryTree type="DecisionTree" boostWeight="{first}" itree="0">
      <Node pos="s" depth="0" NCoef="{fisher}" IVar="0" Cut="{cut}" cType="1" res="0" rms="0"
            purity="5.0e-01" nType="0">
        <Node pos="l" depth="1" NCoef="0" IVar="1" Cut="-2.5e-01" cType="0" res="0" rms="0"
              purity="4.0e-01" nType="0">
          <Node pos="l" depth="2" NCoef="0" IVar="-1" Cut="0" cType="1" res="-7.5e-01" rms="0"
                purity="1.25e-01" nType="-1"/>
          <Node pos="r" depth="2" NCoef="0" IVar="-1" Cut="0" cType="1" res="2.5e-01" rms="0"
                purity="6.25e-01" nType="1"/>
        </Node>
        <Node pos="r" depth="1" NCoef="0" IVar="-1" Cut="0" cType="1" res="5.0e-01" rms="0"
              purity="7.5e-01" nType="1"/>
      </Node>
    </BinaryTree>
    <BinaryTree type="DecisionTree" boostWeight="1.0e+00" itree="1">
      <Node pos="s" depth="0" NCoef="0" IVar="-1" Cut="0" cType="1" res="1.25e-01" rms="0"
            purity="2.5e-01" nType="-1"/>
    </BinaryTree>
  </Weights>
</MethodSetup>
"""
USUAL = {"boost": "Grad", "yes_no": "True", "preselection": "False", "classes": 2, "moved": 0,
         "analysis": 0, "first": "3.0e+00", "fisher": 0,
         "cut": "1.0000000149011612e-01"}  # fmt: skip


def write(tmp_path, **changes):
    path = tmp_path / "weights.xml"
    path.write_text((HEAD + TREES).format(**{**USUAL, **changes}))
    return path


def scores(path, x):
    graph = read_model(path)
    return run_real(graph, {"x": np.asarray(x, np.float64)})[graph.outputs[0].value]


CUT = float(np.float32(0.1))
X = [
    [np.nextafter(np.float32(0.1), np.float32(0)), -0.25],  # left, then left: cType 0 is `>=`
    [0.0, np.nextafter(np.float32(-0.25), np.float32(-1))],  # left, then right
    [CUT, 0.0],  # what equals the cut goes right
]


def test_gradient_boosting(tmp_path):
    path = write(tmp_path)
    sums = np.array([-0.75, 0.25, 0.5]) + 0.125
    np.testing.assert_allclose(
        scores(path, X)[:, 0], 2 / (1 + np.exp(-2 * sums)) - 1, rtol=1e-14, atol=1e-15
    )
    facts = read_model(path).facts
    assert facts["features"] == "var1+var2, var3"
    assert list_layers(path)[0].kind == "BDT::BDTG"


@pytest.mark.parametrize(
    ("yes_no", "first", "second"), [("True", [-1, 1, 1], -1), ("False", [0.125, 0.625, 0.75], 0.25)]
)
def test_adaptive_boosting(tmp_path, yes_no, first, second):
    path = write(tmp_path, boost="AdaBoost", yes_no=yes_no)
    np.testing.assert_allclose(scores(path, X)[:, 0], (3 * np.array(first) + second) / 4)


def test_classes(tmp_path):
    found = scores(write(tmp_path, classes=2, analysis=2), X)
    sums = np.stack([[-0.75, 0.25, 0.5], [0.125] * 3], axis=1)
    np.testing.assert_allclose(found, np.exp(sums) / np.exp(sums).sum(1, keepdims=True))


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"analysis": 1}, UnsupportedError, "regression with TMVA is not read"),
        ({"moved": 1}, UnsupportedError, "TMVA transforms the inputs first"),
        ({"fisher": 2}, UnsupportedError, "UseFisherCuts=False"),
        ({"preselection": "True"}, UnsupportedError, "cuts before the trees"),
        ({"cut": "nan"}, ModelError, "a threshold of a forest is not a finite number"),
        ({"cut": "high"}, ModelError, "is no number"),
        ({"boost": "AdaBoost", "analysis": 2}, UnsupportedError, "several classes"),
    ],
)
def test_refused(tmp_path, changes, kind, text):
    with pytest.raises(kind, match=text):
        read_model(write(tmp_path, **changes))


def test_cut_short(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text()[:1500])
    with pytest.raises(ModelError, match="cut short, or no XML"):
        read_model(path)


def test_entities_are_refused(tmp_path):
    path = write(tmp_path)
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]>'
    path.write_text(path.read_text().replace('<?xml version="1.0"?>', bomb))
    with pytest.raises(GatewrightError, match="defines entities"):
        read_model(path)


def test_other_methods(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text().replace("BDT::BDTG", "MLP::MLP"))
    with pytest.raises(UnsupportedError, match="a method of TMVA is not read"):
        read_model(path)
