//! An extension on lambda-extension: prints each event, and all telemetry that it is sent.

use lambda_extension::{
    service_fn, Error, Extension, LambdaEvent, LambdaLog, LambdaLogRecord, LambdaTelemetry,
    LogBuffering, NextEvent, SharedService,
};
use serde_json::Value;
use std::env;
use std::net::TcpListener;

async fn event(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => {
            println!("INVOKE {}", invoke.request_id);
            if env::var("FAIL").is_ok_and(|what| what == "INVOKE") {
                return Err("Extension.Asked".into());
            }
        }
        NextEvent::Shutdown(shutdown) => println!("SHUTDOWN {}", shutdown.shutdown_reason),
    }
    Ok(())
}

async fn telemetry(batch: Vec<LambdaTelemetry>) -> Result<(), Error> {
    for one in batch {
        let told = serde_json::to_value(&one)?;
        println!(
            "{} {}",
            told["type"].as_str().unwrap_or_default(),
            told["record"]
        );
    }
    Ok(())
}

/// The same of what the function wrote, from the Logs API.
async fn logs(batch: Vec<LambdaLog>) -> Result<(), Error> {
    for one in batch {
        if let LambdaLogRecord::Function(line) = one.record {
            println!("function {}", Value::from(line));
        }
    }
    Ok(())
}

/// The crate wants to bind it by number. Lower ones are given to nobody unasked, and who asks for
/// one here asks for that of its own process.
fn own_port() -> u16 {
    let first = 10_000 + (std::process::id() % 20_000) as u16;
    (first..32_768)
        .find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok())
        .expect("a port that is free")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let port = own_port();
    let wanted = env::var("TYPES").unwrap_or("platform,function".into());
    let types: Vec<&str> = wanted.split(',').collect();
    let buffering = LogBuffering {
        timeout_ms: 25,
        ..Default::default()
    };
    let extension = Extension::new()
        .with_extension_name("rust-extension")
        .with_events_processor(service_fn(event));
    if env::var("API").is_ok_and(|api| api == "logs") {
        return extension
            .with_log_types(&types)
            .with_log_buffering(buffering)
            .with_log_port_number(port)
            .with_logs_processor(SharedService::new(service_fn(logs)))
            .run()
            .await;
    }
    extension
        .with_telemetry_types(&types)
        .with_telemetry_buffering(buffering)
        .with_telemetry_port_number(port)
        .with_telemetry_processor(SharedService::new(service_fn(telemetry)))
        .run()
        .await
}
