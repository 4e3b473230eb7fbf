"""The style of a page, for screens light and dark, wide and narrow, and for paper.

A heading of a table is folded in at most three lines, on narrow screens two: of more, most would be scrolled out of
sight there, and leave an empty band above the rows.
"""

STYLE = """
:root { color-scheme: light dark; --ink: #1a1d21; --soft: #59626c; --paper: #fff; --card: #fff; --line: #dfe3e8;
  --band: #f5f7f9; --alert: #8a1c1c; --alert-paper: #fdecec; --link: #0b5cad; --good: #0a6b50; --good-paper: #e2f4ec;
  --late: #8a5a00; --late-paper: #fdf1d6; --bad: #a8321f; --bad-paper: #fbe4df; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --soft: #9aa4ae; --paper: #15181b; --card: #1b1f23;
  --line: #343a40; --band: #1f2429; --alert: #ffb4b4; --alert-paper: #3a1616; --link: #7db7f5; --good: #63d8b2;
  --good-paper: #12372d; --late: #f2be4a; --late-paper: #3d2f10; --bad: #ff9d8a; --bad-paper: #45201a; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.01em; margin: 0 0 .4rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3rem 0 .75rem; padding-bottom: .35rem;
  border-bottom: 2px solid var(--line); scroll-margin-top: 1rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p { max-width: 60rem; margin: .5rem 0; } a { color: var(--link); }
header .note { font-size: 1rem; } .note, figcaption { color: var(--soft); font-size: .875rem; }
nav { display: flex; flex-wrap: wrap; gap: .35rem .5rem; margin: 1.5rem 0 0; }
nav a { border: 1px solid var(--line); border-radius: 999px; padding: .15rem .8rem; font-size: .875rem;
  text-decoration: none; } nav a:hover { background: var(--band); }
.alert { background: var(--alert-paper); color: var(--alert); border-left: .3rem solid; border-radius: 0 6px 6px 0;
  padding: .6rem .9rem; font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 10.5rem), 1fr)); gap: .75rem;
  margin: 1.5rem 0 0; }
.figures div { border: 1px solid var(--line); border-radius: 10px; padding: .7rem .9rem; background: var(--card); }
.figures dt { color: var(--soft); font-size: .8125rem; } .figures dd { margin: 0; }
.figures .value { font-size: 1.5rem; line-height: 1.3; font-weight: 650; font-variant-numeric: tabular-nums; }
.figures .detail { color: var(--soft); font-size: .8125rem; } dl { margin: 0; }
.scroll { overflow: auto; max-height: 36rem; max-width: 100%; width: fit-content; border: 1px solid var(--line);
  border-radius: 8px; background: var(--card); } .scroll:focus-visible { outline: 2px solid var(--link); }
table { border-collapse: separate; border-spacing: 0; font-size: .875rem; line-height: 1.4;
  font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .75rem; text-align: left; vertical-align: top; white-space: nowrap; }
td { border-top: 1px solid var(--line); } tbody tr:first-child td { border-top: 0; }
thead th { position: sticky; top: 0; z-index: 1; white-space: normal; min-width: calc(var(--letters) * .5ch + 1.5rem);
  max-width: 14rem;
  vertical-align: bottom; background: var(--band); border-bottom: 2px solid var(--line); font-weight: 600; }
tbody tr:nth-child(even) td { background: var(--band); } tbody tr:nth-child(odd) td { background: var(--card); }
th.number, td.number { text-align: right; }
td.prose { white-space: normal; min-width: 16rem; max-width: 58rem; overflow-wrap: anywhere; }
th.number:first-child, td.number:first-child { position: sticky; left: 0; z-index: 1; }
thead th.number:first-child { z-index: 2; }
.signs th, .signs td { min-width: 1.9rem !important; padding: .2rem .3rem; text-align: center; }
.signs tbody td, .signs tbody tr:nth-child(even) td { background: var(--card); }
.signs th:first-child, .signs tbody tr td:first-child { position: sticky; left: 0; z-index: 2; text-align: right;
  padding-right: .75rem; border-right: 1px solid var(--line); }
.signs td span, .legend span span { display: inline-block; width: 1.45rem; line-height: 1.35rem; border-radius: 5px;
  text-align: center; font-weight: 700; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .25rem 0 .6rem; font-size: .875rem;
  color: var(--soft); }
span.accepted { background: var(--good-paper); color: var(--good); } span.late { background: var(--late-paper);
  color: var(--late); } span.rejected { background: var(--bad-paper); color: var(--bad); }
span.unused { border: 1px solid var(--good); color: var(--good); } span.idle { color: var(--soft); }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); gap: 1rem;
  margin: 1rem 0; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 10px; background: var(--card); padding: .75rem;
  min-width: 0; } figure.broad { grid-column: 1 / -1; }
figure .pan { overflow-x: auto; } figure img { display: block; width: 100%; height: auto; margin: 0 auto;
  max-width: calc(var(--across) * 36rem); } figure.broad img { min-width: calc(var(--across) * 17rem); }
figcaption { margin-top: .5rem; } figcaption strong { color: var(--ink); }
@media (max-width: 40rem) { body { padding: 1.25rem 1rem 3rem; } h1 { font-size: 1.5rem; }
  .figures { grid-template-columns: repeat(2, 1fr); } .figures div { padding: .5rem .7rem; }
  .figures .value { font-size: 1.2rem; }
  thead th { min-width: calc(var(--letters) * .8ch + 1.5rem); max-width: none; } }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --card: #fff; --line: #bbb; --band: #f4f4f4;
  --alert: #8a1c1c; --alert-paper: #fff; } body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  table { font-size: 7.5pt; } th, td { padding: .15rem .3rem; min-width: 0; white-space: normal; }
  .scroll { overflow: visible; max-height: none; border: 0; } thead th { position: static; }
  tr, figure { break-inside: avoid; } h2, h3 { break-after: avoid; } thead { display: table-header-group; } }
"""
