//! The pipeline: every figure there is about the way of the events, for those who run it.

use crate::components::live::LivePipeline;
use crate::components::pipeline::parts;
use crate::figures::Figures;
use leptos::prelude::*;

/// The page's content; `news` is the address that tells an island of every change.
pub fn pipeline(figures: &Figures, news: &'static str) -> AnyView {
    let content = view! {
        <p class="notice notice--error pipeline__stale" data-stale="" hidden role="alert">
            "✗ The shop does not answer any more. What you see is as old as the time at its end; the page goes on trying."
        </p>
        <div class="pipeline__parts" data-news=news>
            {parts(figures)}
        </div>
    };
    view! {
        <div class="pipeline">
            <h1>"The pipeline"</h1>
            <LivePipeline>{content}</LivePipeline>
            <p class="pipeline__foot">
                "Without scripts: "
                <a href="/pipeline">"load again"</a>
                ". The same for programs: "
                <a href="/balance">"/balance"</a>
                ". In a terminal: "
                <code>"curl http://127.0.0.1:8501/pipeline"</code>
            </p>
        </div>
    }
    .into_any()
}
