"""Tables: mean, standard deviation with N - 1, n, the best in bold, in every format."""

import csv
import io
import json

import pytest

from fose.evaluation import table
from fose.evaluation.run import Evaluation, Failure, Result
from fose.evaluation.scores import Scores

SAM = {"a": [1.0, 2.0, 4.0], "b": [3.0, 3.0, 3.0]}


def evaluation(scores=SAM, metric="SAM", more=None):
    results = [
        Result("", f"scene {number}", "reduced", method, Scores({metric: value} | (more or {})), 0.1)
        for method, values in scores.items()
        for number, value in enumerate(values)
    ]
    return Evaluation(results, [Failure("scene 9", "cannot  open\nit")], {"scene 0": ("a note",)})


def test_mean_and_standard_deviation_have_divisor_n_minus_1():
    found = table.cell([1.0, 2.0, 4.0])
    assert found.mean == pytest.approx(7 / 3)
    assert found.std == pytest.approx(((16 + 1 + 25) / 9 / 2) ** 0.5)
    assert table.cell([5.0]) == table.Cell(5.0, None, 1)
    assert table.cell([1.0, float("inf")]) == table.Cell(float("inf"), None, 2)


def test_text_marks_the_best_and_says_the_direction():
    lines = table.text(evaluation()).splitlines()
    assert lines[0] == "Reduced resolution (Wald)"
    assert lines[2].split() == ["a", "3", "2.333", "±", "1.528*"]
    assert lines[3].split() == ["b", "3", "3.000", "±", "0.000"]
    assert "lower is better for SAM" in lines[4]


def test_higher_is_better_where_it_is():
    (found,) = table.tabulate(evaluation({"a": [0.9], "b": [0.8]}, "Q2n").results)
    assert found.best("Q2n") == {"a"}
    (found,) = table.tabulate(evaluation({"a": [0.9], "b": [0.8]}, "D_s").results)
    assert found.best("D_s") == {"b"}


def test_equal_displayed_values_are_best_together_and_a_single_method_is_not():
    (found,) = table.tabulate(evaluation({"a": [1.00001], "b": [1.00002], "c": [1.5]}).results)
    assert found.best("SAM") == {"a", "b"}
    (alone,) = table.tabulate(evaluation({"a": [1.0]}).results)
    assert alone.best("SAM") == set()


def test_a_method_that_missed_a_scene_is_not_best():
    (found,) = table.tabulate(evaluation({"a": [1.0, 9.0], "b": [0.5]}).results)
    assert found.best("SAM") == {"a"}


def test_a_metric_that_some_scenes_lack_names_its_n():
    results = evaluation({"a": [1.0, 2.0]}).results
    results[0].scores.values["PSNR"] = 30.0
    lines = table.text(Evaluation(results)).splitlines()
    assert "30.00 (n=1)" in lines[2]


def test_markdown_and_latex_have_bold_and_direction():
    assert "| a | 3 | **2.333 ± 1.528** |" in table.markdown(evaluation())
    assert "SAM [degrees] ↓" in table.markdown(evaluation())
    latex = table.latex(evaluation(more={"D_lambda_K": 0.1}))
    assert r"a & 3 & \textbf{2.333 $\pm$ 1.528} & " in latex
    assert r"D\_lambda\_K $\downarrow$" in latex


def test_csv_has_full_precision_and_empty_cells():
    (row, _) = csv.DictReader(io.StringIO(table.comma_separated(evaluation())))
    assert float(row["SAM_mean"]) == pytest.approx(7 / 3, rel=1e-15)
    assert (row["method"], row["protocol"], row["SAM_n"]) == ("a", "reduced", "3")


def test_json_holds_everything_and_no_infinity():
    found = json.loads(table.as_json(evaluation({"a": [float("inf")], "b": [2.0]})))
    assert found["tables"][0]["rows"]["a"]["SAM"] == {"mean": "inf", "std": None, "n": 1}
    assert found["results"][1]["scores"]["values"] == {"SAM": 2.0}
    assert found["failures"][0]["scene"] == "scene 9"
    assert found["notes"] == {"scene 0": ["a note"]}


def test_a_failure_is_one_line():
    assert str(evaluation().failures[0]) == "scene 9: cannot open it"


def test_groups_have_tables_of_their_own():
    results = [
        Result(group, "s", protocol, "a", Scores({"SAM": 1.0}), 0.1)
        for group in ("wv3", "qb")
        for protocol in ("reduced", "full")
    ]
    assert [found.title for found in table.tabulate(results)] == [
        "wv3: Reduced resolution (Wald)",
        "wv3: Full resolution (no reference)",
        "qb: Reduced resolution (Wald)",
        "qb: Full resolution (no reference)",
    ]
