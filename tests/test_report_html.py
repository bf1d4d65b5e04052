# SPDX-License-Identifier: Apache-2.0
"""index.html, in a real browser, over what the running kernel said of real programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from bpfline import cost
from bpfline.program_lines import Place, ProgramLines
from bpfline.report import embed, html
from bpfline.report.embed import Sources, cut
from bpfline.report.results import Results
from chromium import DESKTOP, PHONE, browser, resize
from conftest import make_project
from golden_logs import fixture
from report_results import HOSTILE, hostile, of_each_kind, result

SOURCES = Path(__file__).parent / "bpf"

# A loop of which no two rounds are alike to the verifier: its log has over 100,000 lines.
HEAVY = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, __u64);
} sums SEC(".maps");

static __attribute__((noinline)) __u64 mix(__u64 value, __u64 salt)
{
    if (value & 1)
        value ^= salt;
    return value * 31;
}

SEC("socket")
int heavy(struct __sk_buff *skb)
{
    __u64 sum = skb->len;

    for (__u32 round = 0; round < 300; round++) {
        __u32 key = round & 63;
        __u64 *value = bpf_map_lookup_elem(&sums, &key);

        if (!value)
            continue;
        if (*value > sum)
            sum += mix(*value, round);
        else
            sum ^= *value;
        *value = sum;
    }
    return sum & 1;
}

char _license[] SEC("license") = "GPL";
"""

FOREVER = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int forever(struct __sk_buff *skb)
{
    volatile int x = 0;

    while (1) {
        x++;
        if (x == skb->mark)
            break;
    }
    return 0;
}

char _license[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    with browser(tmp_path_factory.mktemp("chromium")) as chrome:
        yield chrome


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a project with a refused, a small and a heavy program."""
    project = make_project(tmp_path_factory.mktemp("html"))
    project.write("bpf_src/heavy.bpf.c", HEAVY)
    project.write("bpf_src/forever.bpf.c", FOREVER)
    for name in ("bad/unchecked_lookup", "good/subprograms"):
        source = (SOURCES / f"{name}.bpf.c").read_text()
        project.write(f"bpf_src/{Path(name).name}.bpf.c", source)
    project.doit("verify", "--log", "full", status=1)
    return project.path("build/report/index.html")


@pytest.fixture
def opened(chrome: WebDriver, report: Path) -> Iterator[Callable[..., Page]]:
    """Gives a function that opens the report; afterwards the browser's console must be empty."""

    def at(address: str = "", page: Path = report, size: tuple[int, int] = DESKTOP) -> Page:
        resize(chrome, size)
        chrome.get("about:blank")
        chrome.get(page.as_uri())
        chrome.execute_script("localStorage.clear()")
        chrome.get(f"{page.as_uri()}#{address}")
        return Page(chrome)

    yield at
    assert chrome.get_log("browser") == []


class Page:
    """What a user sees and does."""

    def __init__(self, chrome: WebDriver):
        self.chrome = chrome

    def find(self, css: str) -> WebElement:
        return self.wait(lambda: next(iter(self.all(css)), None), css)

    def all(self, css: str) -> list[WebElement]:
        return self.chrome.find_elements(By.CSS_SELECTOR, css)

    def texts(self, css: str) -> list[str]:
        """What stands in them, read at once: rows come and go."""
        return cast(
            "list[str]",
            self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", css),
        )

    def wait(self, true: Callable[[], Any], what: str) -> Any:
        return WebDriverWait(self.chrome, 20, 0.05).until(lambda _: true(), what)

    def run(self, script: str, *args: Any) -> Any:
        return self.chrome.execute_script(script, *args)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.chrome.switch_to.active_element.send_keys(key)

    def selected(self, pane: str) -> str:
        return "".join(self.texts(f"#{pane}-list .selected .text"))

    def names(self) -> list[str]:
        return self.texts("tbody .name a")


pytestmark = pytest.mark.kernel


def test_the_page_opens_from_a_file_and_asks_for_nothing_else(opened: Any) -> None:
    page = opened()
    page.find("tbody tr")
    assert {"heavy/heavy", "unchecked_lookup/fails"} <= set(page.names())
    assert page.run("return performance.getEntriesByType('resource').map(e => e.name)") == []


def test_programs_are_filtered_by_words_and_by_outcome(opened: Any) -> None:
    page = opened()
    page.find("#filter").send_keys("heavy accepted")
    page.wait(lambda: page.names() == ["heavy/heavy"], "one program")
    page.find("#filter").clear()
    page.find("#filter").send_keys(" ")
    page.find("[data-outcome=failed]").click()
    assert page.names() == ["forever/forever", "unchecked_lookup/fails"]


def test_programs_are_sorted_by_cost_both_ways(opened: Any) -> None:
    page = opened()
    page.find("[data-column=instructions]").click()
    assert page.names()[0] == "heavy/heavy"
    assert page.find("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.find("[data-column=instructions]").click()
    assert page.names()[-1] == "heavy/heavy"


def test_a_link_opens_a_program_and_one_that_leads_nowhere_the_table(opened: Any) -> None:
    page = opened("heavy/heavy")
    page.find("article.program")
    assert page.find("h1").text.startswith("heavy/heavy")
    page.run("location.hash = 'no/such%program'")
    page.find("tbody tr")


def test_a_refusal_is_explained_and_its_steps_lead_into_the_log(opened: Any) -> None:
    page = opened("unchecked_lookup/fails")
    assert "BPF003" in page.find(".why h2").text
    step = page.find(".step.origin")
    assert "bpf_map_lookup_elem" in step.text
    step.find_element(By.TAG_NAME, "button").click()
    page.wait(lambda: "call bpf_map_lookup_elem" in page.selected("log"), "the call in the log")
    assert "bpf_map_lookup_elem" in page.selected("source")
    page.all(".step.end button")[0].click()
    page.wait(lambda: page.selected("log").startswith("R0 invalid mem access"), "the refusal in the log")


def test_a_source_line_leads_to_the_log_and_a_log_line_back(opened: Any) -> None:
    page = opened("heavy/heavy")
    page.find("#source-list .selected")
    next(row for row in page.all("#source-list .row") if "sum ^= *value" in row.text).click()
    page.wait(lambda: "^=" in page.selected("log"), "its instruction")
    first = page.selected("log")
    assert "1 of" in page.find(".counter").text
    page.find("#log-list").send_keys("n")
    page.wait(lambda: "2 of" in page.find(".counter").text, "its next visit")
    assert "^=" in first and "^=" in page.selected("log")
    page.find("#log-list").send_keys("/")
    page.press("call bpf_map_lookup_elem")
    page.wait(lambda: "call bpf_map_lookup_elem" in page.selected("log"), "what was searched for")
    assert "bpf_map_lookup_elem(&sums, &key)" in page.selected("source")
    assert "R10" in page.texts(".states th")
    assert "log=" in page.run("return location.hash")


def test_states_are_put_together_from_what_changed(opened: Any) -> None:
    page = opened("unchecked_lookup/fails")
    page.find(".step.origin button").click()
    page.wait(lambda: page.texts(".states tr.changed th") != [], "what the call changed")
    values = dict(zip(page.texts(".states th"), page.texts(".states td"), strict=True))
    assert "map_value_or_null" in values["R0"]
    assert values["R10"] == "fp0"
    assert "not readable any more" in values["R1"]


def test_where_a_loop_comes_back_has_its_source_and_its_states_not_those_of_the_path_before(
    opened: Any,
) -> None:
    page = opened("forever/forever")
    page.find(".step.end button").click()
    page.wait(lambda: page.selected("log").startswith("infinite loop detected"), "the refusal in the log")
    assert "x++" in page.selected("source")
    values = dict(zip(page.texts(".states th"), page.texts(".states td"), strict=True))
    assert "R0" not in values and "scalar" in values["R2"]  # R0 is what the path before returned
    assert page.texts(".states tr.changed") == []


def test_cost_is_shown_by_line_and_by_chain_of_calls(opened: Any) -> None:
    page = opened("heavy/heavy")
    page.find(".flame .leaf")
    assert {"all", "heavy", "mix"} <= set(page.texts(".flame .call"))
    assert max(int(heat.replace(",", "") or 0) for heat in page.texts("#source-list .heat")) > 1000
    page.all(".flame .leaf")[0].click()
    page.wait(lambda: page.selected("source"), "the line of the flame graph")


def test_a_log_of_100_000_lines_has_few_rows_in_the_page(opened: Any) -> None:
    page = opened("heavy/heavy")
    page.find("#log-list .row")
    assert int(page.find("#log-list .row").get_attribute("aria-setsize")) >= 100_000
    for part in (0, 0.3, 0.77, 1):
        page.run(
            "const box = document.getElementById('log-list');box.scrollTop = box.scrollHeight * arguments[0]",
            part,
        )
        page.wait(lambda part=part: _in_sight(page), f"rows at {part}")
        assert len(page.all("#log-list .row")) < 120
    assert "processed" in "".join(page.texts("#log-list .row .text"))


def _in_sight(page: Page) -> bool:
    return bool(page.run(
        "const box = document.getElementById('log-list').getBoundingClientRect();"
        "return [...document.querySelectorAll('#log-list .row')].some(row => {"
        " const at = row.getBoundingClientRect();"
        " return at.top < box.bottom - 20 && at.bottom > box.top + 20 })"
    ))  # fmt: skip


def test_a_long_log_is_said_to_be_loading_until_it_is_there(opened: Any) -> None:
    page = opened()
    page.find("tbody tr")
    page.run(
        "window.seen = [];"
        "new MutationObserver(() => window.seen.push(document.getElementById('main').innerText))"
        ".observe(document.getElementById('main'), {childList: true});"
        "location.hash = 'heavy/heavy'"
    )
    page.find("#log-list .row")
    assert page.all(".loading") == [] and page.find("main").get_attribute("aria-busy") is None
    assert page.run("return document.activeElement.tagName") == "H1"
    first, last = page.run("return window.seen")
    assert first.startswith("Loading 1") and first.endswith(" lines of the log of heavy/heavy …")
    assert "heavy/heavy" in last and "Loading" not in last
    page.run("window.seen = []; location.hash = 'unchecked_lookup/fails'")  # a short one is there at once
    page.wait(lambda: "unchecked_lookup" in page.find("h1").text, "the other program")
    assert not any("Loading" in text for text in page.run("return window.seen"))


def test_the_page_says_why_it_has_no_flame_graph(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is lowered to a log that a test can afford."""
    log = fixture("6.18 ok_sub 6")
    (tmp_path / "x.log").write_bytes(log.data)
    lines = ProgramLines("ok_sub", b"", ((0, Place("t.bpf.c", 9, 1, "int x;", "ok_sub")),), ((0, "ok_sub"),))
    row = result(log=tmp_path / "x.log", lines=lines, cost=cost.of(log.data, lines))

    def made(name: str) -> Page:
        (tmp_path / name).write_bytes(html.render(Results((row,), root=tmp_path)))
        page = opened("net/x/main", page=tmp_path / name)
        page.find(".cost .top-lines")
        return cast("Page", page)

    assert made("whole.html").all(".no-flame") == []
    monkeypatch.setattr(cost, "CHAINS_UP_TO", 1000)
    page = made("without.html")
    assert page.all(".flame") == []
    assert page.find(".no-flame").text == (
        "There is no flame graph here: the log has 1 MiB, and calls are followed in logs of up to 1 MiB."
    )


def test_a_flame_graph_of_too_many_lines_folds_the_lightest_of_each_chain() -> None:
    stacks = [(("f", f"x.c:{n}"), 30_000 - n) for n in range(30_000)]
    folded = html._folded(stacks)
    assert len(folded) == html.MOST_STACKS + 1 and folded[: html.MOST_STACKS] == stacks[: html.MOST_STACKS]
    assert folded[-1] == (("f", "lesser lines"), sum(times for _, times in stacks[html.MOST_STACKS :]))


def test_keys_walk_the_table_and_the_log(opened: Any) -> None:
    page = opened()
    page.find("tbody tr")
    page.press("j", "j", Keys.ENTER)
    page.find("article.program")
    before = page.run("return location.hash")
    page.press("j")
    page.wait(lambda: page.run("return location.hash") != before, "the next instruction")
    page.press(Keys.ESCAPE)
    page.find("article.overview")
    page.press("/")
    assert page.chrome.switch_to.active_element.get_attribute("id") == "filter"


def test_the_theme_follows_the_system_until_it_is_switched(opened: Any) -> None:
    page = opened()

    def background(theme: str) -> str:
        emulated = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
        return cast("str", page.run("return getComputedStyle(document.body).backgroundColor"))

    page.find("tbody tr")
    light, dark = background("light"), background("dark")
    assert light != dark
    page.find("#theme").click()
    assert background("dark") == light
    page.find("#theme").click()
    assert background("light") == dark


def test_on_a_phone_nothing_is_wider_than_the_page(opened: Any) -> None:
    for address in ("", "heavy/heavy", "unchecked_lookup/fails"):
        page = opened(address, size=PHONE)
        page.find("tbody tr" if not address else "#log-list .row")
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    page.find("[data-pane=source]").click()
    assert page.find("#source-list").is_displayed() and not page.find("#log-list").is_displayed()


def test_a_row_that_fails_though_accepted_says_why_and_a_phone_has_one_row_of_headings(
    opened: Any, tmp_path: Path
) -> None:
    path = tmp_path / "index.html"
    path.write_bytes(html.render(of_each_kind()))
    for size in (DESKTOP, PHONE):
        page = opened(page=path, size=size)
        page.find("tbody tr")
        under = dict(zip(page.names(), page.texts("tbody .name .under"), strict=True))
        assert under["net/x/slipped"] == "is accepted, and was to be refused"
        assert under["net/x/dear"].startswith("processed_insns is 16, over the budget of 10")
        assert under["net/x/good"] == "tc"
        tops = """return [...document.querySelectorAll('thead button')]
            .filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect().top)"""
        assert len(set(page.run(tops))) == 1
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    page.run("location.hash = 'net/x/slipped'")
    assert page.find(".notice.fault").text == "It is accepted, and was to be refused"


def test_hostile_names_and_logs_stay_text(opened: Any, tmp_path: Path) -> None:
    log = tmp_path / "hostile.log"
    log.write_bytes(
        "\n".join(HOSTILE).encode("utf-8", "replace") + b"\n</script><img src=x onerror=alert(1)>\xff\0\n"
    )
    rows = (*hostile().rows, result("<img src=x onerror=alert(1)>", log=log))
    path = tmp_path / "index.html"
    path.write_bytes(html.render(Results(rows, root=tmp_path, baseline="</script><b>")))
    page = opened(page=path)
    page.find("tbody tr")
    assert len(page.names()) == len(rows)
    addresses = page.run("return [...document.querySelectorAll('tbody a')].map(a => a.getAttribute('href'))")
    assert len(set(addresses)) == len(rows)
    for address in addresses:
        page.run("location.hash = arguments[0]", address)
        page.wait(
            lambda: (
                "article.program" and page.run("return document.querySelector('article.program') !== null")
            ),
            address,
        )
        assert page.all("main img, main script, main b") == []
        page.run("location.hash = ''")
        page.find("article.overview")
    mine = next(at for at, name in enumerate(page.names()) if name.endswith("onerror=alert(1)>"))
    page.run("location.hash = arguments[0]", addresses[mine])
    page.wait(lambda: any("<img src=x" in text for text in page.texts("#log-list .text")), "the log")


def test_files_outside_of_the_project_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret\n")
    root = tmp_path / "project"
    root.mkdir()
    (root / "link.c").symlink_to("../secret")
    sources = Sources(root)
    for name in ("../secret", str(tmp_path / "secret"), "link.c", "/etc/passwd", "nul\0"):
        sources.add(Place(name, 1, 1, "what the object says"))
    assert [file.get("known") for file in sources.files()] == [[(1, "what the object says")]] * 5


def test_a_file_that_changed_since_is_shown_as_it_was_compiled(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("int now;\n")
    sources = Sources(tmp_path)
    sources.add(Place("x.c", 1, 1, "int then;"))
    (file,) = sources.files()
    assert file["known"] == [(1, "int then;")] and "not what was compiled" in file["note"]


def test_a_long_log_keeps_its_ends_and_says_what_it_lacks() -> None:
    log = b"".join(b"%d\n" % number for number in range(1, 1001))

    def text(first: int, last: int) -> bytes:
        return b"".join(embed.text(log, cut(log, first, last)))

    short = cut(log, 10, 20)
    assert text(10, 20).split() == [str(n).encode() for n in (*range(1, 11), *range(981, 1001))]
    assert (short.lines, short.first, short.left_out) == (1000, 10, 970)
    assert text(600, 400) == log and cut(log, 600, 400).left_out == 0
    assert cut(log[:-1], 10, 20).lines == 1000
