"""Dagster's page as a person uses it: what is looked at and clicked is found by the words that are shown.

No test stands here, and no name of a style class: Dagster generates those anew with each release.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

Found = TypeVar("Found")

# Seconds: bounds for a broken test, on a machine that computes at the same time.
PATIENCE = 120  # until a page shows what it is asked for
RUNS = 900  # until what was launched has ended
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers, where Chromium refuses its own sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1200",
)
# The page draws itself anew while it is looked at: what was found a moment ago may be gone or covered.
_MOVING = (ElementClickInterceptedException, ElementNotInteractableException, StaleElementReferenceException)


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """Headless Chromium with a new, empty profile in that folder.

    Raises:
        FileNotFoundError: No browser or no driver on PATH; the message says what installs them.
    """
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if missing := [name for name, path in programs.items() if path is None]:
        raise FileNotFoundError(f"{', '.join(missing)} not on PATH: run scripts/install_browser.sh")
    options = ChromeOptions()
    options.binary_location = str(programs["chromium"])
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = Chrome(options=options, service=Service(str(programs["chromedriver"])))
    try:
        yield browser
    finally:
        browser.quit()


class Picture(NamedTuple):
    """A picture as the browser read it: its address, and its size in pixels."""

    address: str
    width: int
    height: int


class DagsterPage:
    """One browser window on Dagster's page.

    Attributes:
        browser: Of this window.
        address: Where the page is served, without a path.
        screenshots: Folder that keeps what was seen.
    """

    def __init__(self, browser: Chrome, address: str, screenshots: Path) -> None:
        self.browser = browser
        self.address = address
        self.screenshots = screenshots

    def open(self, path: str) -> None:
        """Go to a path of the page."""
        self.browser.get(f"{self.address}/{path}")

    def keep(self, name: str) -> Path:
        """Store what is seen now as `NAME.png`; returns the file."""
        file = self.screenshots / f"{name}.png"
        assert self.browser.save_screenshot(str(file)), f"no screenshot at {file}"
        return file

    def until(self, condition: Callable[[], Found], what: str, *, seconds: float = PATIENCE) -> Found:
        """Wait for a condition to be truthy; what was shown when it never was, is kept as `gave-up.png`."""
        wait: WebDriverWait[Chrome] = WebDriverWait(self.browser, seconds, ignored_exceptions=_MOVING)
        try:
            return wait.until(lambda _: condition(), f"not seen within {seconds:g} s: {what}")
        except TimeoutException:
            self.keep("gave-up")
            raise

    def see(self, text: str, *, seconds: float = PATIENCE) -> None:
        """Wait until an element with exactly this text is shown."""
        self.until(lambda: self._shown(_saying(text)), text, seconds=seconds)

    def read(self, part: str, *, seconds: float = PATIENCE) -> str:
        """Wait until something with this text in it is shown; returns the whole text of the innermost such element."""
        shown = f'//*[contains(normalize-space(), "{part}")][not(*[contains(normalize-space(), "{part}")])]'
        return self.until(lambda: [element.text for element in self._shown(shown)], part, seconds=seconds)[0]

    def click(self, xpath: str) -> None:
        """Wait until an element can be clicked, and click it."""

        def clicked() -> bool:
            for element in self._shown(xpath):
                element.click()
                return True
            return False

        self.until(clicked, f"something to click at {xpath}")

    def press(self, button: str) -> None:
        """Click the button whose text starts so."""
        self.click(f'//button[not(@disabled)][starts-with(normalize-space(), "{button}")]')

    def open_group(self, group: str) -> None:
        """Open the asset graph, and one group in it."""
        self.open("asset-groups")
        node = f'//*[@data-tooltip="{group}"]/ancestor::*[.//*[@aria-label="unfold_more"]][1]'
        self.click(f'{node}//*[@aria-label="unfold_more"]')

    def materialize(self, keys: Sequence[str], *, kept_as: str) -> str:
        """From the asset graph: *Materialize all*, choose these partitions, launch.

        Returns:
            The path of what was launched, as the page's message links to it.
        """
        self.open("asset-groups")
        self.press("Materialize all")
        self.click(_saying("Select a partition or create one"))
        for key in keys:
            self.click(f'//*[@title="{key}"]')
        # The list lies over the button below.
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.keep(kept_as)
        self.press("Launch")
        links = self.until(
            lambda: self._shown('//a[normalize-space()="View"][contains(@href, "/runs/")]'), "the message of a launch"
        )
        return str(links[0].get_attribute("href")).removeprefix(f"{self.address}/")

    def launch(self, job: str, config: Sequence[str], *, kept_as: str) -> str:
        """From the list of jobs: the launchpad of one, its configuration typed over what stands there, launch.

        Args:
            job: Its name.
            config: Lines of YAML, each deeper than the one before: the editor indents a new line as the last one.
            kept_as: Name of the picture of what was typed.

        Returns:
            The path of the run that the page goes to.
        """
        self.open("jobs")
        self.click(f'//a[normalize-space()="{job}"]')
        self.click('//a[normalize-space()="Launchpad"]')
        self.click('//*[text()="ops"]')
        keys = ActionChains(self.browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL)
        before = ""
        for line in config:
            # Escape closes the list of proposals, which Enter would choose from.
            keys.send_keys(line.removeprefix(before), Keys.ESCAPE, Keys.ENTER)
            before = line[: len(line) - len(line.lstrip())]
        keys.perform()
        launch = '//button[not(@disabled)][normalize-space()="Launch Run"]'
        self.until(lambda: self._shown(launch), "a configuration that can be launched")
        self.keep(kept_as)
        self.click(launch)
        self.until(lambda: "/runs/" in self.browser.current_url, "the run that was launched")
        return self.browser.current_url.removeprefix(f"{self.address}/")

    def terminate(self) -> None:
        """On the page of a run that goes on: *Terminate*, and once more where the page asks."""
        self.press("Terminate")
        self.click('//*[@role="dialog"]//button[not(@disabled)][starts-with(normalize-space(), "Terminate")]')

    def end_of_run(self, path: str) -> str:
        """Look at a run until it has ended; returns the word at its top."""
        self.open(path)
        ends = ("Success", "Failure", "Canceled")
        return self.until(
            lambda: next((end for end in ends if self._shown(_saying(end))), ""), f"the end of {path}", seconds=RUNS
        )

    def end_of_backfill(self, path: str) -> str:
        """Look at a backfill until it has ended; returns its status."""
        self.open(path)

        def ended() -> str:
            # The same words head the table below.
            shown = self._shown(f"{_saying('Status')}/following::*[normalize-space(text())][1]")
            status = shown[0].text if shown else "Requested"
            return "" if status in ("Requested", "In progress") else status

        return self.until(ended, f"the end of {path}", seconds=RUNS)

    def picture(self, name: str) -> Picture:
        """The picture of that name, once the browser has read it; one that can't be read is 0 pixels wide."""
        images = self.until(lambda: self._shown(f'//img[@alt="{name}"]'), f"the picture {name}")
        # The dialog's is the last one: it stands behind the page's own in the document.
        image = images[-1]
        self.until(lambda: image.get_property("complete"), "the picture read")
        width, height = (int(str(image.get_property(side))) for side in ("naturalWidth", "naturalHeight"))
        return Picture(str(image.get_attribute("src")), width, height)

    def _shown(self, xpath: str) -> list[WebElement]:
        return [element for element in self.browser.find_elements(By.XPATH, xpath) if element.is_displayed()]


def _saying(text: str) -> str:
    # Of the whole element, not of its first text: the page writes `partition: ` and a key as two. Some of its blanks
    # are of the kind that does not break, which XPath counts as a letter.
    return f'//*[normalize-space(translate(., "\u00a0", " "))="{text}"]'
