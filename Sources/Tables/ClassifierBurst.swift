/// A question to a classifier, its answer, and between them how far it is.
@frozen public struct ClassifierQuestion: BitwiseCopyable, Sendable {
  /// What has to be looked at next.
  @frozen @usableFromInline enum Step: UInt8, BitwiseCopyable, Sendable {
    case direct, block, done
  }

  /// The classifier; `none` matches nothing.
  public var classifier: TableIndex = .none
  /// As `ClassifierKey` says.
  public var key: UInt32 = 0
  /// The remote address: the upper half in host byte order, 0 for IPv4. Used up by the answer.
  public var high: UInt64 = 0
  /// The lower half, or the 32 bits of an IPv4 address. Used up by the answer.
  public var low: UInt64 = 0
  /// Whoever asks; the classifier does not look at it.
  public var asker: UInt32 = 0
  /// The answer.
  public var match = ClassifierMatch.nothing
  /// Where `step` looks.
  @usableFromInline var place: UInt32 = 0
  @usableFromInline var intervals = TableRange()
  @usableFromInline var step = Step.done

  /// A question that matches nothing.
  @inlinable public init() {}

  @inlinable public init(_ classifier: TableIndex, high: UInt64, low: UInt64, key: UInt32) {
    (self.classifier, self.high, self.low, self.key) = (classifier, high, low, key)
  }
}

extension ClassifierSet {
  /// Answers many questions as `match` answers one, a step for all of them and then the next: what
  /// each needs from memory is on its way while the others are worked on.
  ///
  /// With 500,000 rules nearly every step waits for memory, six to nine times a question.
  ///
  /// - Parameters:
  ///   - questions: the questions, which get their answers.
  ///   - count: how many of them, from the first.
  /// - Complexity: that of `match` for each.
  @inlinable
  @_noLocks
  public func answer(_ questions: borrowing WorkerMemory<ClassifierQuestion>, count: Int) {
    for index in 0..<count {
      let classifier = questions[index].classifier
      tries.begin(classifier == .none ? .none : classifiers[classifier].trie, &questions[index])
    }
    for index in 0..<count where questions[index].step == .direct {
      tries.enter(&questions[index])
    }
    var isAnyInside = true
    while isAnyInside {
      isAnyInside = false
      for index in 0..<count where questions[index].step == .block {
        tries.descend(&questions[index])
        isAnyInside = true
      }
    }
    for index in 0..<count where questions[index].place != .none {
      // SAFETY, here and below: `pointer` checks the bounds.
      unsafe prefetch(classes.pointer(Int(questions[index].place)))
    }
    for index in 0..<count where questions[index].place != .none {
      let intervals = classes[questions[index].place]
      questions[index].intervals = intervals
      // The search begins in the middle, and few classes are longer than a cache line.
      let middle = Int(intervals.start &+ intervals.count &>> 1)
      unsafe prefetch(self.intervals.pointer(middle))
    }
    for index in 0..<count {
      questions[index].match = .nothing
      if questions[index].place == .none { continue }
      let result = search(questions[index].intervals, questions[index].key)
      questions[index].match = ClassifierMatch(rule: result &>> 1, allow: result & 1 != 0)
    }
  }
}

// `lookup` in steps, each of which ends where memory is waited for.
extension PrefixTrieSet {
  @inlinable @inline(__always)
  func begin(_ trie: TableIndex, _ question: inout ClassifierQuestion) {
    question.step = .done
    question.place = .none
    guard trie != .none else { return }
    let record = tries[trie]
    if record.addressBits == 32 { (question.high, question.low) = (question.low &<< 32, 0) }
    let difference =
      (question.high ^ record.sharedHigh) & record.maskHigh
      | (question.low ^ record.sharedLow) & record.maskLow
    guard difference == 0 else {
      question.place = record.outside
      return
    }
    PrefixTrieSet.shift(&question.high, &question.low, by: UInt64(record.sharedBits))
    if record.direct == .none { return goOn(to: record.root, &question) }
    question.place = record.direct &+ PrefixTrieSet.directSlot(question.high)
    question.step = .direct
    // SAFETY: `pointer` checks the bounds.
    unsafe prefetch(direct.pointer(Int(question.place)))
    PrefixTrieSet.shift(&question.high, &question.low, by: PrefixTrieSet.directBits)
  }

  @inlinable @inline(__always)
  func enter(_ question: inout ClassifierQuestion) {
    goOn(to: direct[question.place], &question)
  }

  @inlinable @inline(__always)
  func descend(_ question: inout ClassifierQuestion) {
    let block = PrefixLink(bits: question.place)
    goOn(to: blocks.decide(block, &question.high, &question.low), &question)
  }

  @inlinable @inline(__always)
  func goOn(to link: PrefixLink, _ question: inout ClassifierQuestion) {
    if link.isBlock {
      (question.place, question.step) = (link.bits, .block)
      blocks.prefetchBlock(link)
    } else {
      (question.place, question.step) = (link.value, .done)
    }
  }
}
