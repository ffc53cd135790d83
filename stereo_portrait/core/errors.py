"""What stereo_portrait raises on purpose: one line that says what, found, expected and the next step."""


class StereoPortraitError(Exception):
    """Base of every error that a user can cause or mend; the command line prints it as one line and exits 2."""


class InputError(StereoPortraitError):
    """A file, folder or picture that cannot be used as it is."""


class RigError(StereoPortraitError):
    """A rig description that is damaged, impossible, or belongs to other pictures."""


class ConfigError(StereoPortraitError):
    """A setting that does not exist or is out of range."""


class CalibrationError(StereoPortraitError):
    """Board views that cannot give a calibration."""


class DeviceError(StereoPortraitError):
    """A camera, display or driver that is absent or failing."""


class WeightsError(StereoPortraitError):
    """A network file that is missing, damaged or not what its contract says."""


class DatasetError(StereoPortraitError):
    """A public data set that is absent, unreachable or laid out differently."""


class OutputError(StereoPortraitError):
    """A result that could not be written."""
