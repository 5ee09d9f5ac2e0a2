/// The page's style sheet. Colours of verdicts are told apart in all common forms of colour
/// blindness (after Okabe and Ito, "Color Universal Design", 2008), and every one has its name
/// beside it.
enum ReportStyle {
  static let text = """
    :root{--bg:#ffffff;--panel:#f5f6f8;--fg:#1b2128;--dim:#566070;--rule:#d6dae0;--link:#0b57a4;
    --forward:#2f7ebc;--drop:#d1490c;--reply:#0a8f6c;--consume:#b0699a;--ignore:#a5abb5;
    --mark:#b32d00}
    @media screen and (prefers-color-scheme:dark){:root{--bg:#14181d;--panel:#1c2229;--fg:#e3e7ec;
    --dim:#a0aab7;--rule:#333c47;--link:#7ab8f5;--forward:#4a9bdc;--drop:#f07840;--reply:#35b38d;
    --consume:#c98bb5;--ignore:#68717d;--mark:#ff9a73}}
    *{box-sizing:border-box}
    html{color-scheme:light dark;scroll-padding-top:3rem}
    body{margin:0;background:var(--bg);color:var(--fg);
    font:14px/1.45 system-ui,"Segoe UI","Helvetica Neue",Arial,"DejaVu Sans",sans-serif;
    font-variant-numeric:tabular-nums}
    header,main,footer,nav ul{max-width:72rem;margin:0 auto;padding:0 1.25rem}
    h1{font-size:1.5rem;font-weight:600;margin:1.5rem 0 .5rem}
    h2{font-size:1.1rem;font-weight:600;margin:0 0 .75rem}
    section{padding:1.5rem 0 .5rem;border-top:1px solid var(--rule)}
    section:first-child{border-top:0}
    a{color:var(--link)}
    :focus-visible{outline:2px solid var(--link);outline-offset:2px}
    main:focus{outline:0}
    .skip{position:absolute;left:-100vw;top:0;background:var(--bg);padding:.5rem 1rem;z-index:2}
    .skip:focus{left:0}
    code{font:.93em/1.4 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;
    overflow-wrap:anywhere}
    .facts{margin:0 0 1rem}
    .facts div{display:flex;gap:.75rem;padding:.1rem 0}
    .facts dt{flex:0 0 5.5rem;color:var(--dim)}
    .facts dd{margin:0;min-width:0;overflow-wrap:anywhere}
    nav{position:sticky;top:0;z-index:1;background:var(--bg);border-bottom:1px solid var(--rule);
    border-top:1px solid var(--rule)}
    nav ul{display:flex;gap:1.25rem;list-style:none;overflow-x:auto;white-space:nowrap}
    nav a{display:block;padding:.55rem 0;text-decoration:none}
    nav a:hover{text-decoration:underline}
    .tiles{display:flex;flex-wrap:wrap;gap:1px;margin:0 0 1.25rem}
    .tiles div{flex:1 1 auto;background:var(--panel);padding:.6rem;box-shadow:0 0 0 1px var(--rule)}
    .tiles dt{color:var(--dim)}
    .tiles dd{margin:0;font-size:1.15rem;font-weight:600;line-height:1.3}
    .tiles small{display:block;font-size:.8rem;font-weight:400;color:var(--dim);min-height:1.2em}
    .key{display:inline-block;width:.65em;height:.65em;margin-right:.4em;border-radius:1px}
    .forward{fill:var(--forward)}.key.forward{background:var(--forward)}
    .drop{fill:var(--drop)}.key.drop{background:var(--drop)}
    .reply{fill:var(--reply)}.key.reply{background:var(--reply)}
    .consume{fill:var(--consume)}.key.consume{background:var(--consume)}
    .ignore{fill:var(--ignore)}.key.ignore{background:var(--ignore)}
    .plot{margin:0 0 1rem}
    .plot figcaption{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;color:var(--dim);
    margin-bottom:1rem}
    .legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;margin:0;padding:0;
    color:var(--fg)}
    .axes{display:grid;grid-template-columns:3.5rem minmax(0,1fr);gap:.3rem .5rem}
    .axes svg{width:100%;height:11rem;display:block;border-bottom:1px solid var(--dim)}
    .axes .y{display:flex;flex-direction:column;justify-content:space-between;text-align:right;
    font-size:.8rem;color:var(--dim);margin:-.6rem 0;white-space:nowrap}
    .axes .x{grid-column:2;display:flex;justify-content:space-between;font-size:.8rem;
    color:var(--dim);white-space:nowrap}
    .grid{stroke:var(--rule);fill:none;vector-effect:non-scaling-stroke}
    .hover{fill:transparent}.hover rect:hover{fill:var(--fg);fill-opacity:.18}
    .pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));
    gap:0 2rem}
    .wide{overflow-x:auto;margin:0 0 .5rem;max-width:100%;position:relative}
    table{border-collapse:collapse;width:100%}
    caption{text-align:left;font-weight:600;padding:.35rem 0;}
    caption span{display:inline-block;position:sticky;left:0;max-width:calc(100vw - 1.8rem)}
    th,td{text-align:left;vertical-align:top;padding:.28rem .75rem .28rem 0;font-weight:400;
    border-bottom:1px solid var(--rule);min-width:4rem}
    th:last-child,td:last-child{padding-right:0}
    thead th{color:var(--dim);vertical-align:bottom;white-space:nowrap}
    .n{text-align:right;white-space:nowrap}
    tbody tr:hover{background:var(--panel)}
    td code,th code{white-space:nowrap}
    td ul{margin:0;padding:0;list-style:none}
    tbody small{white-space:nowrap}
    td li{min-width:20rem}
    thead button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer;
    border-bottom:1px dotted var(--dim)}
    thead button:hover{color:var(--fg)}
    th[aria-sort=ascending] button::after{content:" \\2191"}
    th[aria-sort=descending] button::after{content:" \\2193"}
    .filter{display:block;margin:.25rem 0;color:var(--dim)}
    .filter input{font:inherit;color:var(--fg);background:var(--bg);border:1px solid var(--dim);
    border-radius:3px;padding:.15rem .4rem;width:14rem;max-width:100%}
    .bar{display:block;width:14rem;height:.8rem;margin-top:.2rem}
    .spark{display:block;width:100%;min-width:14rem;height:2.2rem}
    .limit{fill:none;stroke:var(--drop);vector-effect:non-scaling-stroke}
    .never{color:var(--mark)}
    .note,small{color:var(--dim)}
    .note{margin:.25rem 0 1.25rem;max-width:52rem}
    .lead{font-size:1.05rem}
    .remarks{border-left:3px solid var(--mark);margin:0 0 1rem;padding:.25rem 0 .25rem 1.75rem}
    .meanings{margin:.75rem 0 1rem;color:var(--dim)}
    .meanings div{display:grid;grid-template-columns:11rem minmax(0,1fr);gap:.75rem;padding:.1rem 0}
    .meanings dd{margin:0}
    .meanings code{color:var(--fg)}
    .meanings :target,.meanings div:target{background:var(--panel)}
    details{margin:.25rem 0 1rem}
    summary{cursor:pointer;color:var(--link)}
    footer{color:var(--dim);padding-top:.5rem;padding-bottom:2rem;margin-top:1rem}
    @media (max-width:40rem){header,main,footer,nav ul{padding:0 .9rem}
    .tiles div{flex-basis:40%}
    .facts div,.meanings div{display:block}
    .axes{grid-template-columns:2.6rem minmax(0,1fr)}
    .axes .x span:nth-child(even){display:none}}
    @media print{:root{--bg:#ffffff;--panel:#ffffff;--fg:#000000;--dim:#444444;--rule:#bbbbbb;
    --link:#000000}html{color-scheme:light}nav,.skip,.filter,summary{display:none}
    body{font-size:10pt}
    .wide{overflow:visible}td code,th code,tbody small{white-space:normal}
    .bar,.spark{width:5rem;min-width:0}th,td,td li{min-width:0}td li{overflow-wrap:anywhere}
    figure,tr,.tiles{break-inside:avoid}h2{break-after:avoid}
    *{print-color-adjust:exact;-webkit-print-color-adjust:exact}}

    """

  /// SHA-256 of the text, as a policy writes it; a test compares them.
  static let hash = "sha256-XKtdPc+ClkBfPUmsk3LRKSyMplvX6WSUU+2HsnzZ+Ug="
}
