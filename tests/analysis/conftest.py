import shutil

import pytest
from fabricated import fabricate

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
)


@pytest.fixture
def sweep(tmp_path):
    """Six runs: widths 4, 16 and 64 with two seeds each."""
    folder = tmp_path / "sweep"
    for width, train, test in ((4, 0.3, 0.2), (16, 0.05, 0.4), (64, 0.0, 0.1)):
        for seed in (0, 1):
            fabricate(folder, width=width, seed=seed, train_error=train, test_error=test + 0.01 * seed)
    return folder


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """A headless Chromium; what needs one is skipped where there is none."""
    selenium = pytest.importorskip(
        "selenium.webdriver", reason="selenium is not installed: pip install selenium"
    )
    if not (CHROMIUM and DRIVER):
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    extra = ["--disable-component-update", "--window-size=1920,1080", f"--user-data-dir={profile}"]
    for flag in (*FLAGS.split(), *extra):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(DRIVER))
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "deny"})
    yield driver
    driver.quit()
