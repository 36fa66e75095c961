//! Making the peer connection: codecs, header extensions, ICE, the interceptor chain.

use std::{sync::Arc, time::Duration};

use parlor_protocol::signal::IceServer;
use rtc::{
    crypto::RTCCryptoProvider,
    ice::mdns::MulticastDnsMode,
    interceptor::{
        CongestionControlBuilder, NackResponderBuilder, ReceiverReportBuilder, SenderReportBuilder, Slot,
        TwccReceiverBuilder, TwccSenderBuilder,
    },
    peer_connection::{
        configuration::{RTCIceTransportPolicy, media_engine},
        transport::RTCDtlsRole,
    },
    rtp_transceiver::rtp_sender::{
        RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
    },
};
use tokio::sync::watch;
use webrtc::{
    peer_connection::{
        MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfiguration,
        RTCConfigurationBuilder, Registry, SettingEngine, SettingEngineBuilder,
    },
    runtime::Runtime,
};

use crate::{
    chain::{BindRtx, Estimator, Feed, Hold, Nack, Pacer, Shared, Tap},
    error::EngineError,
    options::{IcePolicy, SessionOptions},
    supervise::{Gone, Supervised},
    tunnel::Tunnel,
};

/// The interval of connectivity checks: connecting takes about this long after both sides have candidates (RFC 8445 §14.2).
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Checks per candidate pair before it is given up: with the interval, the 20 s that a session has to connect. A network
/// that is back meanwhile is found at once.
const CHECKS: u16 = 400;
/// How long public addresses have to wait for a pair within one network: two checks, which such a pair answers at once. Often
/// it is such a pair: whose check comes before its candidate was told counts as peer reflexive (RFC 8445 §7.3.1.3).
pub(crate) const DIRECT_WAIT: Duration = Duration::from_millis(100);
/// How long a relay has to wait for something better, which the stack does not take up any more once a relay is in use. A
/// pair through one needs some round trips more than a direct one before it works at all: two for the allocation, which
/// come before its candidate is told, and one for the permission, which comes before its first check. What is left to wait
/// for is a NAT on the direct way that opens with the second check.
const RELAY_WAIT: Duration = Duration::from_millis(250);
/// How often an allocation is refreshed. The stack does not repeat a refresh whose nonce was too old (RFC 8489 §9.2.4), it only
/// uses the new one for the next. At half of the lifetime, as is its custom, that is too late: coturn's nonces and allocations
/// both end after ten minutes.
const REFRESH: Duration = Duration::from_mins(1);
/// Bytes that may wait on one data channel before sending is refused.
const CHANNEL_BUFFER: usize = 4 * 1024 * 1024;
/// Sent video packets that are kept for retransmission: more than a second of 4 Mbit/s.
const RESEND_PACKETS: u16 = 1024;
/// How often receivers report arrivals for congestion control: a twentieth of a second tells growing delay in time.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);

const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// Makes a connection whose callbacks go to `handler` and whose measurements go to `shared`. `runtime` makes a runtime for each
/// attempt, and what tells of the end of the connection's task; `provider` its cryptography. While `paused` no media leaves.
pub(crate) async fn connect(
    options: &SessionOptions,
    tunnel: &Tunnel,
    runtime: impl Fn() -> (Arc<Supervised>, Gone),
    provider: impl Fn() -> Arc<dyn RTCCryptoProvider>,
    handler: Arc<dyn PeerConnectionEventHandler>,
    shared: &Arc<Shared>,
    paused: &watch::Receiver<bool>,
) -> Result<(Arc<dyn PeerConnection>, Gone), EngineError> {
    let servers = options.ice_servers.as_slice();
    let own_network: &[IceServer] = &[];
    // Where the stack cannot do with the servers, we look no further than our own network.
    let attempts = match options.ice_policy {
        IcePolicy::All => vec![servers, own_network],
        IcePolicy::Relay => vec![servers],
    };
    let mut refused = EngineError::Over;
    for servers in attempts {
        let configuration = configuration(servers, tunnel)?;
        let (runtime, gone) = runtime();
        let chain = chain(options, shared, paused.clone());
        match Box::pin(build(options, runtime, provider(), handler.clone(), chain, configuration)).await {
            Ok(connection) => return Ok((connection, gone)),
            Err(error) => {
                tracing::debug!(%error, servers = servers.len(), "no connection");
                refused = error;
            }
        }
    }
    Err(refused)
}

/// What can be changed about a connection: the servers that the next ICE generation uses.
///
/// # Errors
///
/// [`EngineError::NoRelay`] when relays alone are allowed and these servers hold none.
pub(crate) fn configuration(servers: &[IceServer], tunnel: &Tunnel) -> Result<RTCConfiguration, EngineError> {
    let servers = tunnel.servers(servers);
    let relays = servers.iter().flat_map(|server| &server.urls).filter(|url| url.starts_with("turn:")).count();
    let policy = match tunnel.policy() {
        IcePolicy::All => RTCIceTransportPolicy::All,
        IcePolicy::Relay if relays == 0 => return Err(EngineError::NoRelay),
        IcePolicy::Relay => RTCIceTransportPolicy::Relay,
    };
    Ok(RTCConfigurationBuilder::new().with_ice_servers(servers).with_ice_transport_policy(policy).build())
}

/// The codec of sound, as offered; its payload type is read again after negotiation.
pub(crate) fn opus() -> RTCRtpCodec {
    codec(media_engine::MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1", &[("transport-cc", "")])
}

/// The codec of pictures, as offered.
pub(crate) fn vp8() -> RTCRtpCodec {
    let feedback = [("nack", ""), ("nack", "pli"), ("ccm", "fir"), ("transport-cc", "")];
    codec(media_engine::MIME_TYPE_VP8, 90_000, 0, "", &feedback)
}

fn codec(mime: &str, clock_rate: u32, channels: u16, fmtp: &str, feedback: &[(&str, &str)]) -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: mime.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: feedback
            .iter()
            .map(|(typ, parameter)| RTCPFeedback { typ: (*typ).to_owned(), parameter: (*parameter).to_owned() })
            .collect(),
    }
}

async fn build(
    options: &SessionOptions,
    runtime: Arc<dyn Runtime>,
    provider: Arc<dyn RTCCryptoProvider>,
    handler: Arc<dyn PeerConnectionEventHandler>,
    chain: Registry,
    configuration: RTCConfiguration,
) -> Result<Arc<dyn PeerConnection>, EngineError> {
    let connection = PeerConnectionBuilder::new()
        .with_configuration(configuration)
        .with_media_engine(media()?)
        .with_setting_engine(settings(options, provider))
        .with_interceptor_registry(chain)
        .with_runtime(runtime)
        .with_handler(handler)
        .with_udp_addrs(options.bind.clone())
        .with_tcp_addrs(tcp(options))
        .with_data_channel_send_buffer_limit(CHANNEL_BUFFER);
    // It is some 20 kB, too much for the stack of every caller above.
    let connection = Box::pin(connection.build()).await?;
    Ok(Arc::new(connection))
}

fn media() -> Result<MediaEngine, EngineError> {
    let mut media = MediaEngine::default();
    let rtx = codec(media_engine::MIME_TYPE_RTX, 90_000, 0, "apt=96", &[]);
    for (rtp_codec, payload_type, kind) in
        [(opus(), 111, RtpCodecKind::Audio), (vp8(), 96, RtpCodecKind::Video), (rtx, 97, RtpCodecKind::Video)]
    {
        media.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, kind)?;
    }
    for uri in [TRANSPORT_CC, MID] {
        for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
            media.register_header_extension(RTCRtpHeaderExtensionCapability { uri: uri.to_owned() }, kind, None)?;
        }
    }
    Ok(media)
}

fn settings(options: &SessionOptions, provider: Arc<dyn RTCCryptoProvider>) -> SettingEngine {
    let ice = options.ice;
    let relay_wait = match options.ice_policy {
        IcePolicy::All => RELAY_WAIT,
        IcePolicy::Relay => Duration::ZERO,
    };
    let settings = SettingEngineBuilder::new()
        .with_crypto_provider(provider)
        .with_ice_timeouts(Some(ice.disconnected), Some(ice.failed), Some(ice.keepalive))
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS))
        .with_srflx_acceptance_min_wait(Some(DIRECT_WAIT))
        .with_prflx_acceptance_min_wait(Some(DIRECT_WAIT))
        .with_relay_acceptance_min_wait(Some(relay_wait))
        .with_turn_allocation_refresh_interval_cap(REFRESH)
        // Names are asked for by ourselves (`names`).
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        // A restart follows a change of network: sockets are bound anew and old addresses forgotten.
        .with_discard_local_candidates_during_ice_restart(true);
    // The stack answers later offers with its default DTLS role, whatever was negotiated before (RFC 8842 §5.3): whoever
    // offered first is the server, so it must go on answering as the server.
    if options.first_offerer { settings.with_answering_dtls_role(RTCDtlsRole::Server) } else { settings }.build()
}

pub(crate) fn chain(options: &SessionOptions, shared: &Arc<Shared>, paused: watch::Receiver<bool>) -> Registry {
    let estimator = Estimator::new(options.rates, Arc::clone(shared));
    Registry::new()
        .with(Slot::CongestionControl, BindRtx::new(CongestionControlBuilder::new(estimator).build()))
        .with(Slot::TwccSender, BindRtx::new(TwccSenderBuilder::new().build()))
        .with(Slot::Pacer, Pacer::new(options.rates.start, Arc::clone(shared)))
        .with(Slot::NackResponder, NackResponderBuilder::new().with_size(RESEND_PACKETS).build())
        .with(Slot::NackGenerator, Nack::new(Arc::clone(shared)))
        .with(Slot::TwccReceiver, TwccReceiverBuilder::new().with_interval(FEEDBACK_INTERVAL).build())
        .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
        .with(Slot::SenderReport, SenderReportBuilder::new().build())
        .with(Slot::from(3_500), Tap::new(Arc::clone(shared)))
        .with(Slot::from(14_000), Hold::new(Arc::clone(shared)))
        .with(Slot::from(15_000), Feed::new(Arc::clone(shared), paused))
}

/// Where other sides may connect to over TCP.
fn tcp(options: &SessionOptions) -> Vec<String> {
    match options.ice_policy {
        IcePolicy::All if options.ice_tcp => options.bind.clone(),
        IcePolicy::All | IcePolicy::Relay => Vec::new(),
    }
}
