import Tables

/// Records that the arenas must have room for.
package struct ArenaSizes {
  var classifiers = 0
  var classes = 0
  var intervals = 0
  var routes = 0
  var tries = 0
  var lines = 0
  var direct = 0

  /// Room for every generation of a host: address space, of which only what is used takes memory.
  package static var reserved: ArenaSizes {
    ArenaSizes(
      classifiers: 1 << 20, classes: 1 << 26, intervals: ClassifierBuilder.intervalLimit,
      routes: 1 << 25, tries: 1 << 20, lines: 1 << 26, direct: 1 << 27)
  }

  static func + (a: ArenaSizes, b: ArenaSizes) -> ArenaSizes {
    ArenaSizes(
      classifiers: a.classifiers + b.classifiers, classes: a.classes + b.classes,
      intervals: a.intervals + b.intervals, routes: a.routes + b.routes, tries: a.tries + b.tries,
      lines: a.lines + b.lines, direct: a.direct + b.direct)
  }
}

/// The arenas that classifiers and routes of all generations stand in.
package final class TableArenas: Sendable {
  let classifiers: Arena<ClassifierRecord>
  let classes: Arena<TableRange>
  let intervals: Arena<ClassifierInterval>
  package let routes: Arena<RouteRecord>
  let tries: Arena<PrefixTrieRecord>
  let lines: Arena<PrefixLine>
  let direct: Arena<PrefixLink>

  package init(_ sizes: ArenaSizes) {
    classifiers = Arena(of: "classifiers", capacity: sizes.classifiers)
    classes = Arena(of: "classes of rules", capacity: sizes.classes)
    intervals = Arena(of: "intervals of rules", capacity: sizes.intervals)
    routes = Arena(of: "routes", capacity: sizes.routes)
    tries = Arena(of: "prefix tries", capacity: sizes.tries)
    lines = Arena(of: "cache lines of prefix tries", capacity: sizes.lines)
    direct = Arena(of: "entries of direct tables", capacity: sizes.direct)
  }

  package var prefixes: PrefixTrieSet {
    PrefixTrieSet(tries: tries.view, direct: direct.view, lines: lines.view)
  }

  var classifierSet: ClassifierSet {
    ClassifierSet(
      classifiers: classifiers.view, classes: classes.view, intervals: intervals.view,
      tries: prefixes)
  }
}
