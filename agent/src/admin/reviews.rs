//! Answers of a [`Reviewer`], remembered for a short time: Prometheus asks often, and the API server has other things to do.
//!
//! In: a token and a path. Out: a [`Verdict`]. Must not know: HTTP. Failures are not remembered: nothing is allowed meanwhile.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use crate::model::{ReviewError, Reviewer, Verdict};

/// How long an answer holds: a token that is withdrawn is good for so much longer.
pub(super) const HOLDS: Duration = Duration::from_secs(10);

/// How long the reviewer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers kept at once: what a flood of foreign tokens can take.
const KEPT_MAX: usize = 256;

/// A reviewer with a memory.
pub(super) struct Reviews {
    reviewer: Option<Arc<dyn Reviewer>>,
    kept: Mutex<HashMap<Question, (Instant, Verdict)>>,
}

/// A token and a path.
type Question = (String, String);

impl Reviews {
    /// Without a reviewer no question can be answered.
    pub(super) fn new(reviewer: Option<Arc<dyn Reviewer>>) -> Self {
        Self { reviewer, kept: Mutex::default() }
    }

    pub(super) async fn verdict(&self, token: &str, path: &str) -> Result<Verdict, ReviewError> {
        let question = (token.to_owned(), path.to_owned());
        if let Some(verdict) = self.known(&question) {
            return Ok(verdict);
        }
        let reviewer = self.reviewer.as_ref().ok_or_else(|| ReviewError("there is no API server to ask".to_owned()))?;
        // What is true when the question is put is what is remembered.
        let asked = Instant::now();
        let late = |_| ReviewError(format!("no answer within {} s", PATIENCE.as_secs()));
        let verdict = timeout(PATIENCE, reviewer.review(token, path)).await.map_err(late)??;
        self.remember(question, asked, verdict);
        Ok(verdict)
    }

    fn known(&self, question: &Question) -> Option<Verdict> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(question).filter(|(asked, _)| asked.elapsed() < HOLDS).map(|(_, verdict)| *verdict)
    }

    fn remember(&self, question: Question, asked: Instant, verdict: Verdict) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, (asked, _)| asked.elapsed() < HOLDS);
        }
        if kept.len() >= KEPT_MAX {
            // Who may ask is asked about again; who may not would else push out who may.
            kept.retain(|_, (_, verdict)| *verdict == Verdict::Allowed);
        }
        if kept.len() < KEPT_MAX {
            kept.insert(question, (asked, verdict));
        }
    }
}

impl fmt::Debug for Reviews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the tokens.
        f.debug_struct("Reviews").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::model::Review;

    /// Knows tokens that begin with `good`; counts the questions.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Reviewer for Counting {
        fn review<'a>(&'a self, token: &'a str, _: &'a str) -> Review<'a> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                match token {
                    "away" => Err(ReviewError("away".to_owned())),
                    "slow" => std::future::pending().await,
                    token if token.starts_with("good") => Ok(Verdict::Allowed),
                    _ => Ok(Verdict::Unknown),
                }
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_remembered_for_a_while_and_a_failure_is_not() {
        let reviewer = Arc::new(Counting::default());
        let reviews = Reviews::new(Some(Arc::clone(&reviewer) as _));
        let questions = || reviewer.0.load(Ordering::Relaxed);
        for (token, path, expected) in
            [("good", "/metrics", 1), ("good", "/metrics", 1), ("good", "/debug", 2), ("bad", "/metrics", 3), ("bad", "/metrics", 3)]
        {
            let verdict = if token == "good" { Verdict::Allowed } else { Verdict::Unknown };
            assert_eq!((reviews.verdict(token, path).await, questions()), (Ok(verdict), expected), "{token} {path}");
        }
        tokio::time::advance(HOLDS).await;
        assert_eq!((reviews.verdict("good", "/metrics").await, questions()), (Ok(Verdict::Allowed), 4));
        for expected in [5, 6] {
            assert!(reviews.verdict("away", "/metrics").await.is_err());
            assert_eq!(questions(), expected);
        }
        assert!(reviews.verdict("slow", "/metrics").await.unwrap_err().to_string().contains("within 5 s"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_foreign_tokens_takes_no_memory_and_pushes_nobody_out() {
        let reviewer = Arc::new(Counting::default());
        let reviews = Reviews::new(Some(Arc::clone(&reviewer) as _));
        assert_eq!(reviews.verdict("good", "/metrics").await, Ok(Verdict::Allowed));
        for token in 0..5 * KEPT_MAX {
            assert_eq!(reviews.verdict(&token.to_string(), "/metrics").await, Ok(Verdict::Unknown));
        }
        assert!(reviews.kept.lock().unwrap().len() <= KEPT_MAX);
        let before = reviewer.0.load(Ordering::Relaxed);
        assert_eq!(reviews.verdict("good", "/metrics").await, Ok(Verdict::Allowed));
        assert_eq!(reviewer.0.load(Ordering::Relaxed), before, "it is still known");
    }
}
