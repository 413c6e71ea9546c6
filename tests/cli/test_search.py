"""`seqvise index` and `seqvise search` over a run that sees colours."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torchvision")
Image = pytest.importorskip("PIL.Image")

from seqvise.cli.main import main  # noqa: E402
from seqvise.inference import embedder as embedders  # noqa: E402
from tests.retrieval.colours import colour_embedder, paint, paint_folder  # noqa: E402


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a run, and with images of three colours in ``images``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    embedder = colour_embedder(Path())
    monkeypatch.setattr("seqvise.inference.embedder.load_embedder", lambda *_: embedder)
    paint_folder(tmp_path / "images")
    return tmp_path


@pytest.fixture
def indexed(here: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The same with an index."""
    assert main(["index", "run=run", "images=images"]) == 0
    capsys.readouterr()
    return here


def results(*words: str) -> list[list[str]]:
    """The names in the results of each query."""
    assert main(["search", "run=run", "json=found.json", *words]) == 0
    content = json.loads(Path("found.json").read_text())
    return [[hit["name"] for hit in answer["hits"]] for answer in content["answers"]]


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The sentences with which the words are refused."""
    capsys.readouterr()
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return [line.removeprefix("seqvise: ") for line in captured.err.splitlines() if line.startswith("seqvise: ")]


def test_an_index_is_built_and_updated(
    here: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (here / "images" / "blue" / "broken.png").write_bytes(b"no image")
    assert main(["index", "run=run", "images=images"]) == 0
    output = capsys.readouterr().out
    assert "images: 12 (12 added, 1 unreadable)" in output
    assert "unreadable: images/blue/broken.png: not an image format that Pillow supports" in caplog.text
    (folder,) = (here / "run" / "indexes").iterdir()
    assert output.splitlines()[-1] == f"index: run/indexes/{folder.name}"
    (here / "images" / "blue" / "broken.png").unlink()
    (here / "images" / "red" / "0.png").unlink()
    paint(here / "images" / "red" / "new.png", (1, 0.05, 0))
    assert main(["index", "run=run", "images=images"]) == 0
    assert "images: 12 (1 added, 1 removed, 11 unchanged)" in capsys.readouterr().out
    assert results("query=red", "k=1") == [["red/new.png"]]


@pytest.mark.usefixtures("indexed")
def test_words_find_images_the_nearest_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert results("query=green", "query=yellow - red", "query=RED", "k=4") == [
        [f"green/{number}.png" for number in range(4)],
        [f"green/{number}.png" for number in range(4)],
        [f"red/{number}.png" for number in range(4)],
    ]
    output = capsys.readouterr().out
    assert "yellow - red" in output
    assert re.search(r"1 +1\.000 +Green +green/0\.png", output)


@pytest.mark.usefixtures("indexed")
def test_sums_weigh_words_as_combine_says() -> None:
    # yellow is (3, 3, 0): as it is, it outweighs blue (0, 0, 1); as a direction, blue is the largest part of the sum.
    assert results("query=yellow + blue", "k=1", "combine=unit")[0][0].startswith("blue")
    assert not results("query=yellow + blue", "k=1", "combine=raw")[0][0].startswith("blue")


@pytest.mark.usefixtures("indexed")
def test_an_image_finds_its_like_and_neither_itself_nor_its_copies() -> None:
    shutil.copy("images/red/0.png", "copy.png")
    paint(Path("other.png"), (1, 0.01, 0))
    assert results("image=images/red/0.png", "image=copy.png", "image=other.png", "k=3") == [
        ["red/1.png", "red/2.png", "red/3.png"],
        ["red/1.png", "red/2.png", "red/3.png"],
        ["red/0.png", "red/1.png", "red/2.png"],
    ]
    assert [len(hits) for hits in results("image=images/red/0.png", "k=50")] == [11]


@pytest.mark.usefixtures("indexed")
def test_k_above_the_count_gives_all_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert len(results("query=red", "k=13")[0]) == 12
    assert "k is 13, but the index has only 12 images: all are returned." in caplog.text
    caplog.clear()
    assert len(results("query=red", "k=12")[0]) == 12
    assert "all are returned" not in caplog.text


def test_classes_and_nouns_with_equal_vectors_are_one_result(
    here: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (here / "net").mkdir()
    lines = ["n00000001\tred, redness", "n00000002\tred", "n00000003\tsea green", "n00000004\tnothing like it"]
    (here / "net" / "words.txt").write_text("\n".join(lines) + "\n")
    classes = {"0": ["n00000003", "sea_green"], "1": ["n00000001", "red"]}
    (here / "net" / "imagenet_class_index.json").write_text(json.dumps(classes))
    words = ["query=red", "wordnet=net", "k=2"]
    assert results("to=wordnet", *words) == [["n00000001, n00000002", "n00000003"]]
    assert "wordnet: 1 of 4 have no word vector and cannot be found." in caplog.text
    assert results("to=imagenet", *words) == [["n00000001", "n00000003"]]
    assert results("to=imagenet", "image=images/red/0.png", "wordnet=net", "k=1") == [["n00000001"]]
    assert refused(capsys, "search", "run=run", "query=red", "to=wordnet") == [
        "to=wordnet needs the folder of WordNet's files: set wordnet=FOLDER."
    ]
    (here / "net" / "imagenet_class_index.json").unlink()
    assert refused(capsys, "search", "run=run", "to=imagenet", *words) == [
        "to=imagenet needs net/imagenet_class_index.json, which is missing: set wordnet=FOLDER."
    ]


@pytest.fixture
def calibrated(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an image between red and blue, and a run that saw red and green, blue held out."""
    embedder = colour_embedder(Path(), held_out=["blue"], calibration=0.3)
    monkeypatch.setattr("seqvise.inference.embedder.load_embedder", lambda *_: embedder)
    paint(here / "plum.png", (1, 0, 0.8))
    return here


def test_an_image_finds_labels_by_the_calibration_of_the_run(
    calibrated: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    # Its cosine to red is 1 / hypot(1, 0.8) = 0.781, to blue 0.625; 0.3 is taken off red's and green's.
    assert results("to=labels", "image=plum.png", "query=rose", "k=2", "page=p.html") == [
        ["red", "green"],
        ["blue", "red"],
    ]
    content = json.loads(Path("found.json").read_text())
    assert content["calibration"] == 0.3
    words, image = content["answers"]
    assert [hit["score"] for hit in image["hits"]] == pytest.approx([0.625, 0.481], abs=2e-3)
    assert [hit["cosine"] for hit in image["hits"]] == pytest.approx([0.625, 0.781], abs=2e-3)
    assert "score" not in words["hits"][0]
    sentence = "Scores of labels are cosines, minus 0.3 (model.calibration) for labels seen in training."
    assert sentence in caplog.text
    assert sentence in Path("p.html").read_text()
    assert re.search(r"1 +0\.62\d +0\.62\d +Blue +blue", capsys.readouterr().out)
    (calibrated / "run" / "assets" / "labels").mkdir(parents=True)
    (calibrated / "run" / "assets" / "labels" / "seen.txt").write_text("blue\n")
    embedder = colour_embedder(Path(), held_out=["blue"], calibration=0.3)
    assert embedder.seen == {"blue"}


@pytest.mark.usefixtures("calibrated")
def test_an_image_is_classified_among_names_that_the_user_gives(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    search = ["to=labels", "image=plum.png", "k=3"]
    # Red, as training saw it, has 0.781 - 0.3; rose, (2, 1, 1), has 0.893 and sea green 0.442.
    assert results(*search, "labels=Red, sea-green, rose,") == [["rose", "Red", "sea-green"]]
    assert "model.calibration" in caplog.text
    caplog.clear()
    assert results(*search, "labels=sea green,rose,blue") == [["rose", "blue", "sea green"]]
    assert "model.calibration" not in caplog.text
    Path("names.txt").write_text("red\n\nblue\nred\n")
    assert results(*search, "labels=names.txt") == [["blue", "red"]]
    assert refused(capsys, "search", "run=run", *search, "labels=blu, rose, zzzzzz") == [
        "labels='blu': there is no vector of 'blu'. Similar spellings: blue.",
        "labels='zzzzzz': there is no vector of 'zzzzzz'. No word has a similar spelling.",
    ]
    (sentence,) = refused(capsys, "search", "run=run", *search, "labels= ,")
    assert sentence.startswith("labels= , has no name")
    assert refused(capsys, "search", "run=run", *search, "labels=none.txt") == [
        "labels=none.txt: there is no such file."
    ]
    Path("folder").mkdir()
    assert refused(capsys, "search", "run=run", *search, "labels=folder") == [
        "labels=folder is a folder, but must be names with commas between them, or a file of names."
    ]
    assert refused(capsys, "search", "run=run", "query=red", "labels=red, blue") == [
        "labels= is only for to=labels, but to is 'images': add to=labels, or remove labels=."
    ]


@pytest.mark.usefixtures("indexed")
def test_a_page_includes_its_images_and_escapes_text() -> None:
    paint(Path("images/red/<b>&.png"), (1, 0, 0))
    assert main(["index", "run=run", "images=images"]) == 0
    results("query=red", "image=images/green/0.png", "k=3", "page=out/found.html")
    page = Path("out/found.html").read_text()
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == 7  # three answers each, and the query image
    first = Image.open(io.BytesIO(base64.b64decode(pictures[0])))
    assert np.abs(np.asarray(first, int)[5, 5] - [200, 0, 0]).max() < 6
    assert "&lt;b&gt;&amp;.png" in page
    assert "<b>&" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


@pytest.mark.usefixtures("indexed")
def test_a_sheet_shows_the_images_in_order() -> None:
    results("query=blue", "image=images/green/0.png", "k=3", "sheet=sheet.png")
    with Image.open("sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"), int)
    from seqvise.retrieval.render.sheet import CAPTION, GAP, HEAD, MARGIN, ROW_GAP, TILE

    centres = [MARGIN + TILE // 2 + place * (TILE + GAP) for place in range(4)]
    rows = [MARGIN + HEAD + TILE // 2 + line * (HEAD + TILE + CAPTION + ROW_GAP) for line in range(2)]
    strongest = [[pixels[row, column].argmax() for column in centres] for row in rows]
    assert strongest[0][:3] == [2, 2, 2]
    assert (pixels[rows[0], centres[3]] == 255).all()
    assert strongest[1] == [1, 1, 1, 1]


@pytest.mark.usefixtures("indexed")
def test_images_on_a_sheet_are_next_to_their_captions() -> None:
    results("query=blue", "image=images/green/0.png", "k=1", "sheet=sheet.png")
    with Image.open("sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"), int)
    from seqvise.retrieval.render.sheet import HEAD, MARGIN, TILE

    bottom, width, height = MARGIN + HEAD + TILE, 144, 120  # 12 times the 12 x 10 pixels of the file
    column, row = pixels[:, MARGIN + 5], pixels[bottom - 5]
    assert (column[bottom - height - 1] == 255).all()
    assert column[bottom - height].argmax() == column[bottom - 1].argmax() == 2
    assert (column[bottom - height : bottom, 0] < 100).all()
    assert (column[bottom] == 255).all()
    assert (row[MARGIN + width - 1] < 255).any()
    assert (row[MARGIN + width] == 255).all()


def test_images_of_other_synsets_are_titled_by_wordnet(here: Path) -> None:
    (here / "net").mkdir()
    (here / "net" / "words.txt").write_text("n00000003\tsea green, turquoise\nn00000004\tnothing like it\n")
    paint(Path("images/n00000003/0.png"), (0, 1, 1))
    paint(Path("images/n00000005/0.png"), (0, 1, 0.9))
    assert main(["index", "run=run", "images=images"]) == 0

    def titles(*words: str) -> list[str]:
        results("query=sea_green", "k=2", *words)
        return [hit["title"] for hit in json.loads(Path("found.json").read_text())["answers"][0]["hits"]]

    assert titles("wordnet=net") == ["sea green", "n00000005"]
    assert titles() == ["n00000003", "n00000005"]


def test_labels_held_out_of_training_are_marked(
    indexed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    embedder = colour_embedder(indexed, held_out=["green"])
    monkeypatch.setattr("seqvise.inference.embedder.load_embedder", lambda *_: embedder)
    shown = {
        "images": ["query=red", "image=images/green/0.png", "k=3"],
        "labels": ["query=red", "to=labels"],
        "names": ["query=red", "to=labels", "labels=Red,green,yellow"],
    }
    marked = {}
    for kind, words in shown.items():
        results(*words, "page=found.html")
        hits = [hit for answer in json.loads(Path("found.json").read_text())["answers"] for hit in answer["hits"]]
        marked[kind] = [hit["name"] for hit in hits if hit.get("held_out")]
        page = Path("found.html").read_text()
        assert page.count(">held out</span>") == len(marked[kind]) + 1, "one more in the explanation"
        assert f"<h1>Search: {'images' if kind == 'images' else 'labels'}</h1>" in page
        assert capsys.readouterr().out.count("held out") == len(marked[kind])
    assert [name.partition("/")[0] for name in marked["images"]] == ["green"] * 3
    assert (marked["labels"], marked["names"]) == (["green"], ["green"])


@pytest.mark.usefixtures("indexed")
def test_without_held_out_labels_nothing_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    results("query=red", "page=found.html")
    assert "held out" not in capsys.readouterr().out + Path("found.html").read_text() + Path("found.json").read_text()


@pytest.mark.usefixtures("here")
def test_suspects_are_the_images_in_a_wrong_folder(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.move("images/red/1.png", "images/blue/wrong.png")
    paint(Path("images/purple haze/1.png"), (1, 0, 1))
    paint(Path("images/sea green/1.png"), (0, 1, 1))
    assert main(["index", "run=run", "images=images", "suspects=out/suspects.html"]) == 0
    captured = capsys.readouterr()
    assert "suspects: 1 of 12 images, in out/suspects.html" in captured.out
    page = Path("out/suspects.html").read_text()
    assert "blue/wrong.png" in page
    assert "nearest: <b>Red</b>" in page
    assert "their labels were not seen in training: purple haze (1), sea green (1)" in page
    assert page.count("<figure") == 1


@pytest.mark.usefixtures("here")
def test_images_of_labels_held_out_are_no_suspects(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    shutil.move("images/red/1.png", "images/blue/wrong.png")
    monkeypatch.setattr(embedders.load_embedder(Path("run")).options, "held_out", ["blue"])
    assert main(["index", "run=run", "images=images", "suspects=suspects.html"]) == 0
    assert "suspects: 0 of 7 images" in capsys.readouterr().out
    assert "Not checked, because training did not see their labels: blue (5)." in caplog.text


@pytest.mark.usefixtures("indexed")
def test_invalid_queries_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.png").write_bytes(b"x")
    Path("empty.png").write_bytes(b"")
    search = ("search", "run=run")
    assert refused(capsys, *search, "query=reed", "query=blu + zzzzzz") == [
        "query='reed': there is no vector of 'reed'. Similar spellings: red, green.",
        "query='blu + zzzzzz': there is no vector of 'blu'. Similar spellings: blue.",
        "query='blu + zzzzzz': there is no vector of 'zzzzzz'. No word has a similar spelling.",
    ]
    assert refused(capsys, *search, "image=broken.png", "image=empty.png") == [
        "image=broken.png cannot be read: not an image format that Pillow supports.",
        "image=empty.png cannot be read: the file is empty.",
    ]
    assert refused(capsys, *search, "k=0", "to=dogs", "combine=x", "image=no.png", "sheet=a.jpg", "json=run") == [
        "k is 0, but must be at least 1.",
        "to is 'dogs', but must be one of images, labels, imagenet, wordnet.",
        "combine is 'x', but must be one of unit, raw.",
        "image=no.png: there is no such file.",
        "sheet= is only for to=images, but to is 'dogs': use page= instead, or remove sheet=.",
        "sheet=a.jpg must end in .png.",
        "json=run must end in .json.",
    ]
    assert refused(capsys, *search) == ["query= and image= are both missing: set at least one."]


def test_invalid_index_options_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty").mkdir()
    (here / "thesis").mkdir()
    (here / "thesis" / "a.txt").write_text("x")
    paint(here / "bad" / "1.png", (1, 0, 0)).write_bytes(b"x")
    (sentence,) = refused(capsys, "index", "run=run", "images=empty")
    assert sentence.startswith("empty contains no image")
    (sentence,) = refused(capsys, "index", "run=run", "images=nowhere")
    assert sentence.startswith("nowhere is not a folder")
    (sentence,) = refused(capsys, "index", "run=run", "images=bad")
    assert sentence.startswith("None of the 1 images")
    assert refused(capsys, "index", "run=run", "images=images", "output=thesis", "index=tree", "suspects=a.txt") == [
        "index is 'tree', but must be one of auto, exact, nmslib, faiss, or the dotted path of a class of your own.",
        "output=thesis exists and is not an index: choose another folder.",
        "suspects=a.txt must end in .html.",
    ]
    assert (here / "thesis" / "a.txt").is_file()
    assert not (here / "run" / "indexes").exists()


def test_no_index_several_and_one_of_another_model(
    indexed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = ("search", "run=run", "query=red")
    other = colour_embedder(Path(), b"two")
    monkeypatch.setattr("seqvise.inference.embedder.load_embedder", lambda *_: other)
    (sentence,) = refused(capsys, *search)
    assert "was made by another model" in sentence
    assert main(["index", "run=run", "images=images"]) == 0
    assert main(["index", "run=run", "images=images/red"]) == 0
    (sentence,) = refused(capsys, *search)
    assert sentence.startswith("run has several indexes: set index= to one of run/indexes/images-")
    (index,) = (indexed / "run" / "indexes").glob("red-*")
    assert results("query=red", f"index={index}", "k=9")[0][0] == "0.png"
    (sentence,) = refused(capsys, *search, "index=nowhere")
    assert sentence == "index=nowhere: there is no such folder."
    shutil.rmtree(indexed / "run" / "indexes")
    (sentence,) = refused(capsys, *search)
    assert sentence == "run has no image index: build one with `seqvise index run=run images=FOLDER`."


@pytest.mark.usefixtures("indexed")
def test_images_that_moved(capsys: pytest.CaptureFixture[str]) -> None:
    search = ("search", "run=run", "query=red")
    Path("images").rename("moved")
    (sentence,) = refused(capsys, *search)
    assert "set images= to the folder that contains them now" in sentence
    assert results("query=red", "images=moved", "sheet=s.png", "k=2") == [["red/0.png", "red/1.png"]]
    Path("images").mkdir()
    (sentence,) = refused(capsys, *search)
    assert sentence.startswith("None of the images in the results exists in")


def test_a_corrupt_index_is_refused_and_rebuilt(indexed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = (indexed / "run" / "indexes").iterdir()
    content = (folder / "vectors.npy").read_bytes()
    (folder / "vectors.npy").write_bytes(content[:-4])
    (sentence,) = refused(capsys, "search", "run=run", "query=red")
    assert sentence == (
        f"index=run/indexes/{folder.name} is damaged (vectors.npy differs from what was written): delete that folder "
        "and make it again with `seqvise index`."
    )
    assert main(["index", "run=run", "images=images"]) == 0
    assert (folder / "vectors.npy").read_bytes() == content


def test_help_and_refusals_need_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom seqvise.cli.main import main\ncode = main(sys.argv[1:])\n"
        "print(code, sorted({'torch', 'torchvision', 'PIL', 'nmslib', 'faiss', 'matplotlib'} & set(sys.modules)))"
    )
    for words, ends in (
        (["search", "--help"], 0),
        (["index", "--help"], 0),
        (["search", "run=x", "querry=y"], 2),
        (["search", "run=x", "query=y"], 2),
        (["index", "run=x", "images=nowhere"], 2),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ,
        )
        assert done.stdout.splitlines()[-1] == f"{ends} []", (words, done.stderr)
    assert list(tmp_path.iterdir()) == []
