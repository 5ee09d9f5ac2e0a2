/// The page's script: tables are sorted by buttons in their heads, and filtered by a field.
///
/// Without it the page says the same; buttons that would do nothing are not there then.
enum ReportScript {
  static let text = #"""
    'use strict';
    for (const table of document.querySelectorAll('table')) {
      const body = table.tBodies[0];
      const value = (row, index) => {
        const cell = row.cells[index], data = cell.querySelector('data');
        return data ? Number(data.value) : cell.textContent.trim();
      };
      const order = (a, b) => typeof a === 'number' && typeof b === 'number'
        ? a - b : String(a).localeCompare(String(b), 'en', {numeric: true});
      for (const head of table.tHead.rows[0].cells) {
        if (!('sort' in head.dataset)) continue;
        const button = document.createElement('button');
        button.type = 'button';
        button.textContent = head.textContent;
        head.replaceChildren(button);
        button.addEventListener('click', () => {
          const was = head.getAttribute('aria-sort');
          const falls = was ? was === 'ascending' : head.classList.contains('n');
          for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
          head.setAttribute('aria-sort', falls ? 'descending' : 'ascending');
          const index = head.cellIndex, sign = falls ? -1 : 1;
          body.append(...[...body.rows].sort(
            (a, b) => sign * order(value(a, index), value(b, index))));
        });
      }
      const what = table.dataset.filter;
      if (what && body.rows.length > 3) {
        const label = document.createElement('label'), field = document.createElement('input');
        const shown = document.createElement('output');
        field.type = 'search';
        label.className = 'filter';
        label.append('Filter ' + what + ' ', field, shown);
        field.addEventListener('input', () => {
          const wanted = field.value.toLowerCase();
          let count = 0;
          for (const row of body.rows) {
            row.hidden = !row.textContent.toLowerCase().includes(wanted);
            if (!row.hidden) count++;
          }
          shown.textContent = wanted ? ' ' + count + ' of ' + body.rows.length : '';
        });
        table.closest('.wide').before(label);
      }
    }
    """#

  /// SHA-256 of the text, as a policy writes it; a test compares them.
  static let hash = "sha256-gpqnUfiVqy4HKYVbvJ/qLThwfAMdxwUY8tQ7SkwCo68="
}
