import CoreMetrics
import NIOConcurrencyHelpers

/// The values of one metric under one set of labels.
protocol MetricSeries: AnyObject, Sendable {
    /// The lines of the series, without their names' common part: what follows the name, labels beside the series' own,
    /// and the value.
    var samples: [MetricSample] { get }
}

/// One line of Prometheus text.
struct MetricSample {
    /// Behind the metric's name, such as `_bucket`.
    var suffix = ""
    /// Beside the series' labels.
    var label: (name: String, value: String)?
    var value: Double
}

final class CounterSeries: MetricSeries, CounterHandler, FloatingPointCounterHandler {
    private let value = NIOLockedValueBox(0.0)

    func increment(by amount: Int64) { increment(by: Double(amount)) }

    /// A counter never falls.
    func increment(by amount: Double) {
        guard amount > 0 else { return }
        value.withLockedValue { $0 += amount }
    }

    func reset() { value.withLockedValue { $0 = 0 } }

    var samples: [MetricSample] { [MetricSample(value: value.withLockedValue { $0 })] }
}

final class GaugeSeries: MetricSeries, MeterHandler, RecorderHandler {
    private let value = NIOLockedValueBox(0.0)

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { self.value.withLockedValue { $0 = value } }
    func increment(by amount: Double) { value.withLockedValue { $0 += amount } }
    func decrement(by amount: Double) { value.withLockedValue { $0 -= amount } }
    func record(_ value: Int64) { set(value) }
    func record(_ value: Double) { set(value) }

    var samples: [MetricSample] { [MetricSample(value: value.withLockedValue { $0 })] }
}

/// Values counted in buckets. Times come in nanoseconds and are kept in seconds.
final class HistogramSeries: MetricSeries, TimerHandler, RecorderHandler {
    private struct State {
        /// Of each bucket alone; the last is beyond all bounds.
        var counts: [Int]
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: NIOLockedValueBox<State>

    /// - Parameter bounds: rising.
    init(bounds: [Double]) {
        self.bounds = bounds
        state = NIOLockedValueBox(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        guard !value.isNaN else { return }
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLockedValue { state in
            state.counts[index] += 1
            state.sum += value
        }
    }

    var samples: [MetricSample] {
        let state = state.withLockedValue { $0 }
        var total = 0
        var samples: [MetricSample] = []
        for (index, count) in state.counts.enumerated() {
            total += count
            let bound = index < bounds.count ? PrometheusText.number(bounds[index]) : "+Inf"
            samples.append(MetricSample(suffix: "_bucket", label: ("le", bound), value: Double(total)))
        }
        samples.append(MetricSample(suffix: "_sum", value: state.sum))
        samples.append(MetricSample(suffix: "_count", value: Double(total)))
        return samples
    }
}
