//! A log as the pages show it.

use engine::query::AttemptRow;
use executor::logs::{self, Channel, Line};
use facts::Timestamp;
use pages::model::{LogLine, LogView, Output};

use crate::error::ServerError;
use crate::house::House;

/// How many lines a page shows; of a longer log the last ones.
const SHOWN: usize = 2_000;

/// A line of a log.
pub(super) fn log_line(number: u64, line: &Line) -> LogLine {
    LogLine {
        number,
        at: Timestamp::from_millisecond(line.at_ms).unwrap_or(Timestamp::UNIX_EPOCH),
        output: match line.channel {
            Channel::Output => Output::Out,
            Channel::Error => Output::Err,
        },
        text: line.text.clone(),
    }
}

/// The log of an attempt.
pub(super) async fn view(house: &House, attempt: &AttemptRow) -> Result<LogView, ServerError> {
    let mut view = LogView {
        run: attempt.run,
        step: attempt.step.clone(),
        attempt: attempt.attempt,
        lines: Vec::new(),
        skipped: 0,
        open: attempt.result.is_none(),
        truncated: false,
        expired: false,
    };
    if let Some(kept) = attempt.log
        && matches!(house.store.size(&kept), Ok(None))
    {
        view.expired = true;
        return Ok(view);
    }
    let bytes = crate::api::log_bytes(house, attempt).await?;
    let lines: Vec<Line> = logs::lines(&bytes).collect();
    let skipped = lines.len().saturating_sub(SHOWN);
    view.skipped = skipped as u64;
    view.lines = lines
        .iter()
        .enumerate()
        .skip(skipped)
        .map(|(index, line)| log_line(index as u64 + 1, line))
        .collect();
    Ok(view)
}
