/// Plots as inline SVG. Marks scale with the page; labels are HTML beside them, so that they stay
/// readable at any width. No colour stands in a plot: classes carry it, for light and dark.
struct Plot {
  struct Series {
    var name: String
    /// Of the style sheet, such as `drop`.
    var style: String
    var values: [Double]
  }

  /// What plots of one replay share: the bounds of the columns.
  struct Columns {
    /// Seconds since the first packet, of all columns together.
    var labels: [String]
    /// Of one column, for hover texts.
    var starts: [String]
  }

  /// Unique on the page.
  var id: String
  var title: String
  /// What the plot shows, for those who do not see it.
  var description: String
  var unit: String
  var series: [Series]
  var columns: Columns
  var isStacked = true
  /// Names of the series; a plot of one that its unit names needs none.
  var hasLegend = true
  /// Adds hover texts, a hundred bytes a column.
  var hasHover = true

  private var count: Int { series.map(\.values.count).max() ?? 0 }

  private var highest: Double {
    (0..<count).map { column in
      let values = series.map { column < $0.values.count ? $0.values[column] : 0 }
      return isStacked ? values.reduce(0, +) : values.max() ?? 0
    }.max() ?? 0
  }

  /// The plot as a figure.
  var html: HTML {
    let end = Figures.axisEnd(highest)
    let height = 200
    var marks: HTML = ""
    if isStacked {
      // From the sum of all down, each covers what does not belong to it.
      for index in series.indices.reversed() where series[index].values.contains(where: { $0 > 0 })
      {
        let sums = (0..<count).map { column in
          series[...index].reduce(0) { $0 + $1.values[column] }
        }
        marks += area(sums, end, height, series[index].style)
      }
    } else {
      for one in series { marks += line(one.values, end, height, one.style) }
    }
    if hasHover { marks += hover(height) }
    let ticks = [end, end / 2, 0].map { "<span>\(Figures.short($0))</span>" as HTML }.joined("")
    let times = columns.labels.map { "<span>\($0)</span>" as HTML }.joined("")
    return """
      <figure class="plot">
      <figcaption>\(legend)<span class="unit">\(unit)</span></figcaption>
      <div class="axes"><div class="y" aria-hidden="true">\(ticks)</div>
      <svg viewBox="0 0 \(max(1, count)) \(height)" preserveAspectRatio="none" role="img" \
      aria-labelledby="\(id)-t \(id)-d"><title id="\(id)-t">\(title)</title>\
      <desc id="\(id)-d">\(HTML(description, limit: 1000))</desc>
      <path class="grid" d="M0 0H\(max(1, count))M0 \(height / 2)H\(max(1, count))"/>
      \(marks)
      </svg>
      <div class="x" aria-hidden="true">\(times)</div></div>
      </figure>
      """
  }

  private var legend: HTML {
    if !hasLegend { return "" }
    let entries = series.map { "<li><i class=\"key \($0.style)\"></i>\($0.name)</li>" as HTML }
    return "<ul class=\"legend\">\(entries.joined(""))</ul>"
  }

  private func area(_ values: [Double], _ end: Double, _ height: Int, _ style: String) -> HTML {
    "<path class=\"\(style)\" d=\"M0 \(height)\(Plot.steps(values, end, height))V\(height)Z\"/>"
  }

  private func line(_ values: [Double], _ end: Double, _ height: Int, _ style: String) -> HTML {
    let first = values.first.map { Plot.y($0, end, height) } ?? "\(height)"
    return "<path class=\"line \(style)\" d=\"M0 \(first)\(Plot.steps(values, end, height))\"/>"
  }

  /// Columns as a path; equal neighbours are one step.
  static func steps(_ values: [Double], _ end: Double, _ height: Int) -> HTML {
    var path = ""
    var last = ""
    for (column, value) in values.enumerated() {
      let y = y(value, end, height)
      if y != last {
        if column > 0 { path += "H\(column)" }
        path += "V\(y)"
        last = y
      }
    }
    return .constant("\(path)H\(values.count)")
  }

  /// A height with one decimal, in the direction of SVG. What is there at all is seen.
  private static func y(_ value: Double, _ end: Double, _ height: Int) -> String {
    var tenths = Int((max(0, min(1, value / end)) * Double(height) * 10).rounded())
    if value > 0 { tenths = max(tenths, 8) }
    let down = height * 10 - tenths
    return down % 10 == 0 ? "\(down / 10)" : "\(down / 10).\(down % 10)"
  }

  private func hover(_ height: Int) -> HTML {
    var marks: HTML = "<g class=\"hover\">"
    for column in 0..<count {
      let values = series.compactMap { one -> String? in
        let value = one.values[column]
        return value > 0 ? "\(one.name) \(Figures.short(value))" : nil
      }
      if values.isEmpty { continue }
      let start = column < columns.starts.count ? columns.starts[column] : ""
      marks += """
        <rect x="\(column)" width="1" height="\(height)"><title>\(start): \
        \(values.joined(separator: ", "))</title></rect>
        """
    }
    return marks + "</g>"
  }

  /// A bar for a cell of a table.
  static func bar(_ value: UInt64, of most: UInt64, style: String) -> HTML {
    let tenths = most > 0 ? max(value > 0 ? 5 : 0, Int(Double(value) / Double(most) * 1000)) : 0
    return """
      <svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">\
      <rect class="\(style)" width="\(tenths)" height="10"/></svg>
      """
  }

  /// A small plot for a cell of a table, with a line at the allowance.
  ///
  /// - Parameters:
  ///   - shares: of the allowance, 1 is all of it.
  ///   - label: what it shows, for those who do not see it.
  static func spark(_ shares: [Double], label: String) -> HTML {
    let most = max(1.25, shares.max() ?? 0)
    let allowance = 40 - Int(40 / most)
    return """
      <svg class="spark" viewBox="0 0 \(max(1, shares.count)) 40" preserveAspectRatio="none" \
      role="img" aria-label="\(label)"><path class="forward" \
      d="M0 40\(steps(shares, most, 40))V40Z"/><path class="limit" \
      d="M0 \(allowance)H\(max(1, shares.count))"/></svg>
      """
  }
}
