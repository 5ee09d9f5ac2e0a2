/// A table with a caption, in a box of its own that scrolls when the table is wide.
struct ReportTable {
  struct Column {
    var name: String
    var isNumber = false
    /// Plots have nothing to sort by.
    var isSortable = true
  }

  var caption: HTML
  var columns: [Column]
  /// Cells by row; `text` and `number` make them.
  var rows: [[HTML]]
  /// What a script lets readers filter by, such as `rules`; nil for no filter.
  var filter: String?
  /// Explains the table, under it.
  var note: HTML?

  /// A cell of text; the first of a row is its header.
  static func text(_ text: String) -> HTML { HTML(text) }

  /// A name as the model or the capture has it.
  static func name(_ text: String) -> HTML { "<code>\(text)</code>" }

  /// A cell with a number that scripts can read.
  static func number(_ value: UInt64) -> HTML {
    "<data value=\"\(value)\">\(Figures.grouped(value))</data>"
  }

  /// A number that may be lower than the real one.
  static func number(atLeast value: UInt64, _ isExact: Bool) -> HTML {
    isExact
      ? number(value)
      : "<data value=\"\(value)\"><span title=\"at least\">≥</span> "
        + HTML(Figures.grouped(value)) + "</data>"
  }

  /// A count of bytes, with a number that scripts can read.
  static func bytes(_ value: UInt64) -> HTML {
    "<data value=\"\(value)\">\(Figures.bytes(value))</data>"
  }

  var html: HTML {
    let head = columns.map { column in
      let numeric: HTML = column.isNumber ? " class=\"n\"" : ""
      let sortable: HTML = column.isSortable && rows.count > 1 ? " data-sort" : ""
      return "<th scope=\"col\"\(numeric)\(sortable)>\(column.name)</th>" as HTML
    }.joined("")
    let body = rows.map { "<tr>\(cells($0))</tr>" as HTML }.joined()
    let filter: HTML = filter.map { " data-filter=\"\(HTML($0))\"" } ?? ""
    let after: HTML = note.map { "<p class=\"note\">\($0)</p>" } ?? ""
    return """
      <div class="wide" tabindex="0" role="region" aria-label="\(plainCaption)"><table\(filter)>
      <caption><span>\(caption)</span></caption>
      <thead><tr>\(head)</tr></thead>
      <tbody>
      \(body)
      </tbody></table></div>
      \(after)
      """
  }

  /// The caption without markup.
  private var plainCaption: HTML {
    var text = ""
    var isMarkup = false
    for character in caption.source {
      if character == "<" { isMarkup = true }
      if !isMarkup { text.append(character) }
      if character == ">" { isMarkup = false }
    }
    return .constant(text)
  }

  private func cells(_ row: [HTML]) -> HTML {
    zip(columns, row).enumerated().map { index, cell in
      let numeric: HTML = cell.0.isNumber ? " class=\"n\"" : ""
      return index == 0
        ? "<th scope=\"row\"\(numeric)>\(cell.1)</th>" : "<td\(numeric)>\(cell.1)</td>" as HTML
    }.joined("")
  }
}
