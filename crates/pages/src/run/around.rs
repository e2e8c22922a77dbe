//! What a step ran in and beside: its image, its limits, its services.

use maud::{Markup, html};

use crate::model::{Around, ImageLine, ServiceLine};
use crate::parts::mark::Mark;
use crate::parts::small;

/// The lines below a step.
pub(super) fn around(around: &Around) -> Markup {
    html! {
        ul.step-around {
            @if let Some(found) = &around.image {
                li { span.around-what { "in" } span { (image(found)) span.faint { ", by " (found.engine) } } }
            }
            @if let Some(limits) = &around.limits {
                li { span.around-what { "limits" } span { (limits) } }
            }
            @for one in &around.services { (service(one)) }
        }
    }
}

fn image(image: &ImageLine) -> Markup {
    html! {
        code { (image.name) } " "
        @match image.digest.parse() {
            Ok(digest) => (small::digest(&digest)),
            Err(_) => code.digest { (image.digest) },
        }
    }
}

fn service(service: &ServiceLine) -> Markup {
    html! {
        li.around-service {
            span.around-what { "beside" }
            div {
                span { strong { (service.name) } @if let Some(found) = &service.image { " " (image(found)) } }
                span class={ "around-did" @if !service.is_well { " tone-bad" } } {
                    @if !service.is_well { (Mark::Bad.picture()) } (service.did)
                }
                @if !service.last.is_empty() {
                    pre aria-label={ "What " (service.name) " said last" } { (service.last.join("\n")) }
                }
            }
        }
    }
}
