"""python -m stereo_portrait."""

from stereo_portrait.cli.main import main

main()
