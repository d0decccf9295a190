"""The web page in a real Chromium, on a real server that runs real agents."""

import json
import re

import pytest

from conftest import Client, until


def open_execution(page, execution):
    page.goto(f"/#/executions/{execution['id']}")
    page.get_by_role("log", name="Log").wait_for()


def shown_lines(page):
    """The text of every row that is on the screen, without numbers and times."""
    return page.locator(".log-text").all_inner_texts()


def all_lines(page):
    """Scrolls through the whole log and gives each line once, by its number."""
    return page.evaluate("""async () => {
        const view = document.querySelector('.log-view');
        const lines = new Map();
        for (let top = 0; ; top += view.clientHeight) {
            view.scrollTop = top;
            view.dispatchEvent(new Event('scroll'));
            for (const row of view.querySelectorAll('.log-row')) {
                lines.set(row.querySelector('.log-number').textContent, row.querySelector('.log-text').textContent);
            }
            if (top > view.scrollHeight) break;
            await new Promise(requestAnimationFrame);
        }
        return [...lines.values()];
    }""")


def wait_for_status(page, status):
    page.locator(f".head .status.{status}").wait_for()


def test_a_key_that_is_not_known_is_refused(page):
    page.goto("/")
    page.get_by_label("API key or token").fill("pdk_000000000000_" + "0" * 52)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("This key is not known here").wait_for()
    assert page.evaluate("sessionStorage.length") == 0


def test_signing_out_forgets_the_key(signed_in):
    signed_in.get_by_role("button", name="Sign out").click()
    signed_in.get_by_label("API key or token").wait_for()
    assert signed_in.evaluate("sessionStorage.length") == 0
    signed_in.reload()
    signed_in.get_by_label("API key or token").wait_for()


def test_an_agent_is_run_from_its_form_and_watched(signed_in, agent):
    page = signed_in
    page.get_by_role("link", name="Agents", exact=True).click()
    page.get_by_role("link", name="writer").click()
    page.get_by_label("Count").fill("5")
    page.get_by_label("Pause").fill("0.2")
    page.get_by_role("button", name="Add").first.click()
    page.get_by_role("textbox", name="Lines").fill("first of all")
    page.get_by_role("button", name="Run").click()
    page.locator(".log-text", has_text="first of all").wait_for()
    page.locator(".log-text", has_text="line 4 of 5").wait_for()
    wait_for_status(page, "succeeded")
    assert page.locator(".json").first.inner_text().replace(" ", "") == '{\n"count":5\n}'
    page.get_by_role("link", name="Executions").click()
    page.locator("tbody tr").first.get_by_text("succeeded").wait_for()


def test_an_input_that_does_not_fit_is_told_at_its_field(signed_in, agent):
    page = signed_in
    page.goto(f"/#/agents/{agent}")
    page.get_by_label("Count").fill("1.5")
    page.get_by_role("button", name="Run").click()
    field = page.get_by_label("Count")
    assert field.get_attribute("aria-invalid") == "true"
    page.get_by_text("This must be a whole number.").wait_for()
    # What only the server knows is told at the same place.
    page.get_by_role("button", name="JSON").click()
    field = page.get_by_label("Count")
    field.fill("7")
    page.get_by_role("button", name="JSON").click()
    page.get_by_label("JSON").fill('{"count": 7, "wait": 600}')
    page.get_by_role("button", name="Run").click()
    page.get_by_role("alert").filter(has_text="input_invalid").wait_for()


def test_canceling_ends_it(signed_in, admin, agent):
    page = signed_in
    execution = admin.run(agent, {"lines": ["here"], "wait": 60})
    open_execution(page, execution)
    page.locator(".log-text", has_text="here").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_label("Reason, if you like").fill("seen enough")
    page.get_by_role("button", name="Cancel it").click()
    wait_for_status(page, "canceled")
    page.locator(".banner", has_text="seen enough").wait_for()
    assert admin.get(f"/api/v1/executions/{execution['id']}").json()["status"] == "canceled"


def test_reloading_in_the_middle_of_a_log_misses_nothing(signed_in, admin, agent):
    page = signed_in
    execution = admin.run(agent, {"count": 20, "pause": 0.2})
    open_execution(page, execution)
    # So few that all can be seen: none has gone from the view when a busy machine comes to look.
    page.locator(".log-text", has_text="line 5 of 20").wait_for()
    page.reload()
    page.locator(".log-text", has_text="line 12 of 20").wait_for()
    page.reload()
    wait_for_status(page, "succeeded")
    until(lambda: page.locator(".log-foot", has_text="20 lines").count(), "20 lines")
    assert all_lines(page) == [f"line {number} of 20" for number in range(20)]


def test_a_server_that_is_started_again_is_found_again(signed_in, server, admin, agent):
    page = signed_in
    execution = admin.run(agent, {"count": 20, "pause": 0.4})
    open_execution(page, execution)
    page.locator(".log-text", has_text="line 3 of 20").wait_for()
    server.stop()
    server.start()
    wait_for_status(page, "succeeded")
    until(lambda: page.locator(".log-foot", has_text="20 lines").count(), "20 lines")
    assert all_lines(page) == [f"line {number} of 20" for number in range(20)]


HOSTILE = [
    "<script>document.title='taken'</script>", "<img src=x onerror=\"document.title='taken'\">",
    "\x1b]8;;javascript:alert(1)\x1b\\click\x1b]8;;\x1b\\", "\x1b[31m<b>red</b>\x1b[0m", "</span><h1>out</h1>",
    "\x1b[38;5;1;background:url(x)m odd", "&lt;stays&gt;",
]


def test_what_an_agent_writes_stays_text(signed_in, admin, agent):
    page = signed_in
    execution = admin.run(agent, {"lines": HOSTILE})
    open_execution(page, execution)
    wait_for_status(page, "succeeded")
    page.locator(".log-text", has_text="&lt;stays&gt;").wait_for()
    lines = shown_lines(page)
    assert lines[0] == HOSTILE[0] and lines[1] == HOSTILE[1] and lines[4] == HOSTILE[4] and lines[6] == HOSTILE[6]
    assert lines[2] == "click" and lines[3] == "<b>red</b>"
    assert page.locator(".log-view :is(script, img, a, b, h1)").count() == 0
    assert page.locator(".log-text .f1").inner_text() == "<b>red</b>"
    assert "taken" not in page.title()


def test_a_message_of_others_stays_text(signed_in, admin, agent):
    page = signed_in
    execution = admin.run(agent, {"wait": 60}, labels={"x": "<img src=x onerror=alert(1)>"})
    admin.post(f"/api/v1/executions/{execution['id']}/cancel", json={"reason": "<h1>why</h1>", "graceSeconds": 0})
    open_execution(page, execution)
    page.locator(".banner", has_text="<h1>why</h1>").wait_for()
    assert page.locator("main img").count() == 0


def test_a_long_log_is_searched_and_scrolled_without_many_elements(signed_in, admin, agent):
    page = signed_in
    execution = admin.run(agent, {"count": 50_000})
    admin.wait(execution["id"])
    open_execution(page, execution)
    until(lambda: page.locator(".log-foot", has_text="50,000 lines").count(), "50,000 lines")
    assert page.locator(".log-row").count() < 150
    page.get_by_label("Search the log").fill("line 4242 of")
    page.locator(".count", has_text="1 of 1").wait_for()
    page.locator(".log-row.current", has_text="line 4242 of").wait_for()
    # A scroll to anywhere is drawn within a few frames; a machine that is busy may be late with some.
    middle = page.evaluate("""async () => {
        const view = document.querySelector('.log-view');
        const times = [];
        for (let step = 0; step < 40; step++) {
            const start = performance.now();
            view.scrollTop = (step * 7919 % 50000) * 20;
            view.dispatchEvent(new Event('scroll'));
            times.push(performance.now() - start);
            await new Promise(requestAnimationFrame);
        }
        return times.sort((a, b) => a - b)[20];
    }""")
    assert middle < 250, f"half of them are slower than {middle} ms"


def test_pausing_holds_the_view_and_loses_nothing(signed_in, admin, agent):
    page = signed_in
    execution = admin.run(agent, {"count": 20, "pause": 0.6})
    open_execution(page, execution)
    page.locator(".log-text", has_text="line 3 of 20").wait_for()
    page.get_by_role("button", name="Pause").click()
    before = shown_lines(page)
    until(lambda: page.locator(".log-foot", has_text="new lines are kept").count(), "lines are kept")
    assert shown_lines(page) == before
    page.get_by_role("button", name="Go on").click()
    page.locator(".log-text", has_text="line 19 of 20").wait_for()


def test_scrolling_up_stops_following_and_end_goes_on(signed_in, admin, agent):
    page = signed_in
    execution = admin.run(agent, {"count": 2000})
    admin.wait(execution["id"])
    open_execution(page, execution)
    page.locator(".log-text", has_text="line 1999 of 2000").wait_for()
    follow = page.get_by_role("button", name="Follow")
    assert follow.get_attribute("aria-pressed") == "true"
    page.get_by_role("log", name="Log").focus()
    page.keyboard.press("Home")
    page.locator(".log-text", has_text=re.compile("^line 0 of")).wait_for()
    assert follow.get_attribute("aria-pressed") == "false"


def test_the_log_is_downloaded_byte_for_byte(signed_in, admin, agent):
    page = signed_in
    execution = admin.run(agent, {"lines": ["caf\u00e9 \x1b[31mred\x1b[0m"], "count": 3})
    admin.wait(execution["id"])
    open_execution(page, execution)
    with page.expect_download() as download:
        page.get_by_role("region", name="Log").get_by_role("button", name="Download").click()
    text = open(download.value.path(), "rb").read()
    assert text == "caf\u00e9 \x1b[31mred\x1b[0m\nline 0 of 3\nline 1 of 3\nline 2 of 3\n".encode()


def test_the_receipt_is_shown(signed_in, admin, agent):
    execution = admin.run(agent, {"count": 1})
    admin.wait(execution["id"])
    open_execution(signed_in, execution)
    until(lambda: admin.get(f"/api/v1/executions/{execution['id']}/receipt").status_code == 200, "signed")
    signed_in.get_by_role("button", name="Receipt").click()
    signed_in.get_by_role("dialog").get_by_text("paddock.receipt.v1").wait_for()


def test_everything_can_be_done_with_the_keyboard_alone(page, admin, agent):
    page.goto("/")
    # The key's field has the focus from the start.
    page.get_by_label("API key or token").wait_for()
    page.keyboard.type(admin.key)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Executions").wait_for()
    page.goto(f"/#/agents/{agent}")
    page.get_by_label("Count").wait_for()

    def tab_to(description, matches):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"() => {{ const element = document.activeElement; return {matches}; }}"):
                return
        raise AssertionError(f"no way to {description} with the Tab key")

    tab_to("the count", "element.labels?.[0]?.textContent.startsWith('Count')")
    page.keyboard.type("2")
    tab_to("the wait", "element.labels?.[0]?.textContent.startsWith('Wait')")
    page.keyboard.type("30")
    tab_to("run", "element.textContent === 'Run'")
    page.keyboard.press("Enter")
    page.locator(".log-text", has_text="line 1 of 2").wait_for()
    tab_to("cancel", "element.textContent === 'Cancel'")
    # The focus can be seen.
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    tab_to("cancel it", "element.textContent === 'Cancel it'")
    page.keyboard.press("Enter")
    wait_for_status(page, "canceled")


PLACES = ["#/executions", "#/agents", "#/agents/AGENT", "#/agents/new", "#/access", "#/admin", "#/executions/EXECUTION"]

# What a screen reader needs: a name for each control, one main landmark, headings in order, no id twice, a language.
CHECK = """() => {
    const faults = [];
    const name = (element) => element.getAttribute('aria-label') || element.labels?.[0]?.textContent || element.textContent.trim()
        || element.getAttribute('title') || [...(element.querySelectorAll?.('img') ?? [])].map((image) => image.alt).join('');
    for (const element of document.querySelectorAll('a[href], button, input, select, textarea, summary, [role=button]')) {
        if (!name(element)) faults.push(`no name: ${element.outerHTML.slice(0, 120)}`);
    }
    for (const image of document.querySelectorAll('img')) if (!image.hasAttribute('alt')) faults.push('an image without alt');
    if (document.querySelectorAll('main').length !== 1) faults.push('not one main');
    if (!document.documentElement.lang) faults.push('no language');
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) faults.push(`twice: #${id}`);
    let level = 0;
    for (const heading of document.querySelectorAll('main :is(h1, h2, h3, h4)')) {
        const own = Number(heading.tagName[1]);
        if (own > level + 1 && level > 0) faults.push(`a heading is left out before ${heading.textContent}`);
        level = Math.max(1, own);
    }
    if (document.querySelectorAll('main h1').length !== 1) faults.push('not one h1');
    for (const element of document.querySelectorAll('[aria-describedby], [aria-labelledby]')) {
        for (const id of `${element.getAttribute('aria-describedby') ?? ''} ${element.getAttribute('aria-labelledby') ?? ''}`.trim().split(/\\s+/)) {
            if (!document.getElementById(id)) faults.push(`names what is not there: #${id}`);
        }
    }
    for (const table of document.querySelectorAll('main table')) {
        if (!table.caption?.textContent) faults.push('a table without a caption');
        if ([...table.querySelectorAll('th')].some((cell) => cell.scope !== 'col')) faults.push('a heading of a table without scope');
    }
    // Contrast of text with what is behind it: 4.5 to 1, and 3 to 1 where it is large.
    const channel = (value) => { const part = value / 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; };
    const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
    const colour = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const own = colour(getComputedStyle(at).backgroundColor);
            if (own.length === 3 || own[3] === 1) return own.slice(0, 3);
        }
        return [255, 255, 255];
    };
    for (const element of document.querySelectorAll('body *')) {
        const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!hasText || element.closest('.unseen, .skip, :disabled, noscript, option, title') || !element.getClientRects().length) continue;
        const style = getComputedStyle(element);
        let opacity = 1;
        for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
        const ground = behind(element);
        const front = colour(style.color).slice(0, 3).map((part, index) => part * opacity + ground[index] * (1 - opacity));
        const [high, low] = [light(front), light(ground)].sort((one, other) => other - one);
        const ratio = (high + 0.05) / (low + 0.05);
        const isLarge = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && Number(style.fontWeight) >= 700);
        if (ratio < (isLarge ? 3 : 4.5)) {
            faults.push(`contrast ${ratio.toFixed(2)}: ${element.className || element.tagName} ${element.textContent.trim().slice(0, 40)}`);
        }
    }
    return [...new Set(faults)];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_its_way(browser, server, admin, agent, scheme):
    execution = admin.run(agent, {"lines": [f"\x1b[{code}mcolour\x1b[0m" for code in [*range(30, 38), *range(90, 98), 2]]})
    admin.wait(execution["id"])
    context = browser.new_context(base_url=server.url, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.goto("/")
    page.get_by_label("API key or token").wait_for()
    assert page.evaluate(CHECK) == [], "signing in"
    page.evaluate("(key) => sessionStorage.setItem('paddock.key', key)", admin.key)
    for place in PLACES:
        page.goto("/" + place.replace("AGENT", agent).replace("EXECUTION", execution["id"]))
        page.reload()
        page.locator("main h1").wait_for()
        page.wait_for_load_state("networkidle") if "EXECUTION" not in place else page.locator(".log-row").nth(16).wait_for()
        assert page.evaluate(CHECK) == [], f"{place} in {scheme}"
    page.goto("/docs")
    page.locator("#submitExecution").wait_for()
    faults = [fault for fault in page.evaluate(CHECK) if "without a caption" not in fault]
    assert faults == [], f"/docs in {scheme}"
    context.close()


def test_a_user_sees_no_administration(browser, server, admin, agent):
    answer = admin.post("/api/v1/keys", json={"name": "second", "role": "user"})
    assert answer.status_code == 201, answer.text
    with Client(server, answer.json()["key"]) as client:
        assert client.get("/api/v1/users").status_code == 403
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("API key or token").fill(answer.json()["key"])
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Access").click()
    page.get_by_role("heading", name="Access").wait_for()
    context.close()


def test_an_administrator_sees_the_nodes_state(signed_in, server, admin, agent):
    findings = [{"probe": "mount", "runtime": "runc", "tries": "mounts", "verdict": verdict} for verdict in ("proven", "broken")]
    record = {"time": "2026-11-21T10:00:00.000Z", "report": {"host": [], "findings": findings}}
    (server.folder / "doctor.json").write_text(json.dumps(record))
    admin.wait(admin.run(agent, {"count": 1})["id"])
    page = signed_in
    page.goto("/#/admin")
    for title in ["database", "engine", "disk", "Waiting", "Oldest waits", "Running here", "Followers of logs",
                  "Sandboxes prepared", "Memory", "Open files", "Up since"]:
        page.get_by_text(title, exact=True).first.wait_for()
    doctor = page.get_by_role("region", name="Doctor")
    doctor.get_by_role("cell", name="seccomp").wait_for()
    doctor.get_by_role("table", name="Probes in doubt").get_by_text("broken").wait_for()


def test_nothing_comes_from_elsewhere(signed_in, server):
    seen = []
    signed_in.on("request", lambda request: seen.append(request.url))
    signed_in.reload()
    signed_in.get_by_role("heading", name="Executions").wait_for()
    signed_in.goto("/docs")
    signed_in.get_by_role("heading", name="Run an agent", exact=True).wait_for()
    assert seen and all(url.startswith(server.url) or url.startswith("blob:") for url in seen)


def test_the_policy_forbids_what_is_inline(signed_in):
    signed_in.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = "document.title = 'taken'";
        document.body.append(script);
        const element = document.createElement('div');
        element.innerHTML = '<p id="styled" style="color: rgb(1, 2, 3)" onclick="document.title = 1">x</p>';
        document.body.append(element);
    }""")
    assert signed_in.title() != "taken"
    assert signed_in.evaluate("getComputedStyle(document.getElementById('styled')).color") != "rgb(1, 2, 3)"
    # The two refusals are what was asked for.
    signed_in.complaints.clear()
