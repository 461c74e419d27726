//! The gateways in alternating rounds.

use std::fmt::Write;

use super::Plan;
use super::figures::{Figures, Sample, Spread};
use super::gateway::{self, Gateway, Running};
use super::install::Peers;
use super::page::Page;
use super::picture::{Bar, Picture};
use super::pinned;
use super::process::{Process, times_in};

/// Calls in flight at the same time.
const IN_FLIGHT: [usize; 3] = [1, 16, MOST_IN_FLIGHT];
const MOST_IN_FLIGHT: usize = 64;

/// One call passes through each gateway, and Envoy finds its configuration valid.
pub(crate) fn check(peers: &Peers) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (_stub, gateways) = start_upstream(peers);
        for gateway in gateways {
            gateway.validate();
            gateway.start().await;
            println!("{}: answers", gateway.name);
        }
    });
}

pub(crate) fn measure(peers: &Peers, plan: &Plan, page: &mut Page) {
    pinned::move_to_the_other();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (_stub, gateways) = start_upstream(peers);
        let mut measured = Vec::new();
        for gateway in &gateways {
            let mut figures = Figures::default();
            for _ in 0..plan.starts {
                figures.starts.push(milliseconds(&gateway.start().await));
            }
            let running = gateway.start().await;
            figures.idle_kib = running.process.resident_kib();
            measured.push((gateway, running, figures));
        }
        // Connections, caches and the allocator reach their working size.
        for (_, running, _) in &measured {
            running.load.round(MOST_IN_FLIGHT, plan.round / 2).await;
        }
        for in_flight in IN_FLIGHT {
            for _ in 0..plan.rounds {
                for (_, running, figures) in &mut measured {
                    figures.add(in_flight, sample(running, in_flight, plan).await);
                }
            }
        }
        for (_, running, figures) in &mut measured {
            figures.loaded_kib = running.process.resident_kib();
        }
        let figures: Vec<_> = measured
            .into_iter()
            .map(|(gateway, _, figures)| (gateway.name, figures))
            .collect();
        let [envoy, vanguard] = peers.versions();
        let mut text = format!(
            "Medians of {} alternating rounds of {} s, with the lowest and the highest round in brackets. {}, {envoy}, {vanguard}.\n",
            plan.rounds,
            plan.round.as_secs_f64(),
            page.occasion(),
        );
        text.push_str(&page.picture("peers-processor-time", &processor_time(&figures)));
        text.push_str(&page.picture("peers-latency", &latency(&figures)));
        table(&mut text, &figures);
        page.section("gateways", &text);
    });
    pinned::move_to_both();
}

/// The upstream, which takes traces too, and the gateways to it.
fn start_upstream(peers: &Peers) -> (Process, Vec<Gateway>) {
    let stub = Process::start_self(&["stub"]);
    let [upstream, collector] = stub.addresses()[..] else {
        panic!("the stub has two addresses");
    };
    (stub, gateway::all(peers, upstream, collector))
}

fn milliseconds(running: &Running) -> f64 {
    running.took.as_secs_f64() * 1e3
}

async fn sample(running: &Running, in_flight: usize, plan: &Plan) -> Sample {
    let times = || times_in(&running.process.proc("stat"));
    let before = times();
    let round = running.load.round(in_flight, plan.round).await;
    let after = times();
    Sample {
        round,
        user: after[0] - before[0],
        system: after[1] - before[1],
    }
}

/// The figures of all gateways: a column for each.
fn table(text: &mut String, gateways: &[(&str, Figures)]) {
    let names: Vec<&str> = gateways.iter().map(|(name, _)| *name).collect();
    let columns = "---|".repeat(names.len());
    let bare = &gateways[0].1;
    write!(
        text,
        "\n| in flight | figure | {} |\n|---|---|{columns}\n",
        names.join(" | ")
    )
    .unwrap();
    type Of = fn(&Sample) -> f64;
    let figures: [(&str, Of); 5] = [
        ("processor time per call, µs", Sample::processor),
        ("of it in the kernel", Sample::system),
        ("p50, µs", Sample::p50),
        ("p99, µs", Sample::p99),
        ("calls per second", Sample::per_second),
    ];
    for in_flight in IN_FLIGHT {
        for (name, figure) in figures {
            let cells = gateways
                .iter()
                .map(|(_, of)| cell(of.spread(in_flight, figure)));
            row(text, &format!("{in_flight} | {name}"), cells);
        }
        let bare = bare.spread(in_flight, Sample::processor).median;
        let ratios = gateways.iter().map(|(_, of)| {
            let ratio = of.spread(in_flight, Sample::processor).median / bare;
            format!("{ratio:.2}")
        });
        row(
            text,
            &format!("{in_flight} | processor time / bare hop"),
            ratios,
        );
    }
    write!(
        text,
        "\n| figure | {} |\n|---|{columns}\n",
        names.join(" | ")
    )
    .unwrap();
    let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
    let each = || gateways.iter().map(|(_, figures)| figures);
    let idle = each().map(|of| mib(of.idle_kib));
    row(text, "resident memory after the first call, MiB", idle);
    let loaded = each().map(|of| mib(of.loaded_kib));
    row(text, "resident memory after the load, MiB", loaded);
    let starts = each().map(|of| cell(Spread::of(of.starts.iter().copied())));
    row(text, "start to the first answer, ms", starts);
}

fn row(text: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    writeln!(text, "| {name} | {} |", cells.join(" | ")).unwrap();
}

/// The median, with the lowest and the highest.
fn cell(spread: Spread) -> String {
    let Spread {
        lowest,
        median,
        highest,
    } = spread;
    let digits = if median < 1000.0 { 1 } else { 0 };
    format!("{median:.digits$} ({lowest:.digits$}–{highest:.digits$})")
}

/// A figure behind a bar.
fn short(figure: f64) -> String {
    let digits = usize::from(figure < 100.0);
    format!("{figure:.digits$}")
}

fn processor_time(gateways: &[(&str, Figures)]) -> Picture {
    let mut picture = Picture::new(
        "Processor time per call",
        "µs, less is better; light: in user space, dark: in the kernel; the line: lowest to highest round",
    );
    for in_flight in IN_FLIGHT {
        let bars = gateways.iter().map(|(name, figures)| Bar {
            name: (*name).to_owned(),
            parts: vec![
                figures.spread(in_flight, Sample::user).median,
                figures.spread(in_flight, Sample::system).median,
            ],
            spread: figures.spread(in_flight, Sample::processor),
            label: short(figures.spread(in_flight, Sample::processor).median),
            is_wrong: false,
        });
        picture.group(format!("{in_flight} in flight"), bars.collect());
    }
    picture
}

fn latency(gateways: &[(&str, Figures)]) -> Picture {
    let mut picture = Picture::new(
        "Latency",
        "µs, less is better; light: p50, dark: from there to p99; the line: p99 of the lowest to the highest round",
    );
    for in_flight in IN_FLIGHT {
        let bars = gateways.iter().map(|(name, figures)| {
            let p50 = figures.spread(in_flight, Sample::p50).median;
            let p99 = figures.spread(in_flight, Sample::p99);
            Bar {
                name: (*name).to_owned(),
                parts: vec![p50, (p99.median - p50).max(0.0)],
                label: format!("{} to {}", short(p50), short(p99.median)),
                spread: p99,
                is_wrong: false,
            }
        });
        picture.group(format!("{in_flight} in flight"), bars.collect());
    }
    picture
}
