"""A page in a real browser: how tests open, read and click it."""

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait


def opened(driver, page, size=(1920, 1080)):
    """The browser with a page in a window of a size, in CSS pixels."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(page.as_uri())
    driver.execute_script("localStorage.clear()")
    until(driver, lambda d: d.execute_script("return document.body.dataset.ready") == "yes")
    return driver


def until(browser, condition):
    return WebDriverWait(browser, 30).until(condition)


def text(browser, element):
    return browser.execute_script("return document.getElementById(arguments[0]).textContent", element)


def click(browser, selector):
    """Click what is there: rows are made anew when a table is scrolled, which a click may do first."""
    wait = WebDriverWait(browser, 30, ignored_exceptions=[StaleElementReferenceException])

    def clicked(b):
        found = b.find_element(By.CSS_SELECTOR, selector)
        # At the page's edge a row may be under the table's head, which stays in view.
        b.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
        found.click()
        return True

    wait.until(clicked)


def choose(browser, control, value):
    Select(browser.find_element(By.ID, control)).select_by_value(value)


def type_in(browser, typed):
    field = browser.find_element(By.ID, "typed")
    field.clear()
    field.send_keys(typed)


def visible_rows(browser):
    script = "return [...document.querySelectorAll('.row')].map(r => [...r.children].map(c => c.textContent))"
    return browser.execute_script(script)


def values_in(browser, key):
    """The values of a column in the table's visible rows."""
    return [row[browser.execute_script("return data.table").index(key)] for row in visible_rows(browser)]


def uncheck(browser, key, value):
    click(browser, f"fieldset[data-key='{key}'] input[data-value='{value}']")


def move_to_mark(browser, panel, mark, then=None):
    """Move the mouse over a mark of the figure's panel, and click there if asked to."""
    plot = browser.find_elements(By.CSS_SELECTOR, "#chart .plot")[panel]
    x, y = browser.execute_script(f"const m = figure.plots[{panel}].marks[{mark}]; return [m.x, m.y]")
    left, top = x - plot.size["width"] / 2, y - plot.size["height"] / 2
    moves = ActionChains(browser).move_to_element_with_offset(plot, round(left), round(top))
    (moves.click() if then == "click" else moves).perform()


def errors(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
