//! The safe face of libvpx's VP8.
//!
//! Owns the only calls into C. Contexts are boxed and never leave this module, pictures and frames are copied at the
//! edge, every size is checked before C sees it.

use std::{
    ffi::{CStr, c_int, c_long, c_uint, c_ulong},
    mem::MaybeUninit,
    ptr, slice,
    time::Instant,
};

use bytes::Bytes;
use vpx_sys as sys;

use super::{CLOCK, Error, Picture, frame_header};

/// How an encoder is set up. All of it but the size and the threads can be changed while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) threads: u32,
    /// 1 to 16: how much quality is given for speed.
    pub(super) speed: u32,
    /// Kilobits a second of both temporal layers together.
    pub(super) kilobits: u32,
    /// The base layer's share of `kilobits`.
    pub(super) base_kilobits: u32,
    /// There are frames of the upper temporal layer. Without, the base layer alone is paced.
    pub(super) upper: bool,
}

/// Which of the two temporal layers a frame belongs to, and whether it must stand alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// Stands alone; belongs to the base layer.
    Key,
    /// Refers to the base layer frame before it, and is what the next frames refer to.
    Base,
    /// Refers to the base layer frame before it; nothing refers to it.
    Upper,
}

/// A VP8 encoder.
pub(super) struct Encoder {
    context: Box<sys::vpx_codec_ctx_t>,
    config: sys::vpx_codec_enc_cfg_t,
    settings: Settings,
}

// SAFETY: a context belongs to no thread; libvpx asks only that one thread at a time uses it, which `&mut self` ensures.
unsafe impl Send for Encoder {}

impl Encoder {
    pub(super) fn new(settings: Settings) -> Result<Self, Error> {
        Picture::bytes(settings.width, settings.height)?;
        // SAFETY: the function has no preconditions and gives a pointer to a static.
        let interface = unsafe { sys::vpx_codec_vp8_cx() };
        let mut config = MaybeUninit::<sys::vpx_codec_enc_cfg_t>::zeroed();
        // SAFETY: both pointers are valid, and the function only writes through the second.
        check("its defaults", unsafe { sys::vpx_codec_enc_config_default(interface, config.as_mut_ptr(), 0) })?;
        // SAFETY: the call above succeeded, so it filled the whole structure with valid values.
        let mut config = unsafe { config.assume_init() };
        fill(&mut config, &settings);
        let mut context = Box::new(sys::vpx_codec_ctx_t::default());
        let version = sys::VPX_ENCODER_ABI_VERSION as c_int;
        // SAFETY: the context is zeroed and stays where it is (boxed), the configuration is copied by libvpx; the version is
        // that of the bindings, and a library that disagrees answers with an error.
        check("an encoder", unsafe { sys::vpx_codec_enc_init_ver(&mut *context, interface, &config, 0, version) })?;
        let mut encoder = Self { context, config, settings };
        encoder.control(sys::vp8e_enc_control_id::VP8E_SET_CPUUSED, -(settings.speed.min(16) as c_int))?;
        encoder
            .control(sys::vp8e_enc_control_id::VP8E_SET_TOKEN_PARTITIONS, settings.threads.ilog2().min(3) as c_int)?;
        // Blocks that hardly change are not coded anew: it saves a fifth of the time on a still background.
        encoder.control(sys::vp8e_enc_control_id::VP8E_SET_STATIC_THRESHOLD, 1)?;
        encoder.control(sys::vp8e_enc_control_id::VP8E_SET_MAX_INTRA_BITRATE_PCT, 450)?;
        Ok(encoder)
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings
    }

    /// Changes bitrates and layers from the next frame on. That begins no new stream.
    pub(super) fn set_rates(&mut self, kilobits: u32, base_kilobits: u32, upper: bool) -> Result<(), Error> {
        self.settings = Settings { kilobits, base_kilobits, upper, ..self.settings };
        fill(&mut self.config, &self.settings);
        // Layers that change begin with so much saved up, less than a new stream: their path is in use.
        self.config.rc_buf_initial_sz = 300;
        // SAFETY: the context was initialised; the configuration differs from the one in use by bitrates and layers alone.
        check("another bitrate", unsafe { sys::vpx_codec_enc_config_set(&mut *self.context, &self.config) })
    }

    /// Encodes one picture of the configured size. `time` and `duration` count in 1/90000 s; `time` grows. `None` when the rate
    /// control left the frame out.
    pub(super) fn encode(
        &mut self,
        picture: &Picture,
        time: i64,
        duration: u32,
        layer: Layer,
    ) -> Result<Option<(Bytes, bool)>, Error> {
        let (width, height) = (self.settings.width, self.settings.height);
        if (picture.width, picture.height) != (width, height) || picture.data.len() != Picture::bytes(width, height)? {
            return Err(Error::Size { width: picture.width, height: picture.height });
        }
        self.control(sys::vp8e_enc_control_id::VP8E_SET_TEMPORAL_LAYER_ID, c_int::from(layer == Layer::Upper))?;
        let mut image = wrap(picture)?;
        let image: *mut sys::vpx_image_t = &mut image;
        let (duration, deadline) = (c_ulong::from(duration.max(1)), c_ulong::from(sys::VPX_DL_REALTIME));
        // SAFETY: the context was initialised; the image describes planes of the picture, whose length was checked above, and
        // libvpx copies it before it returns.
        check("a frame", unsafe {
            sys::vpx_codec_encode(&mut *self.context, image, time, duration, flags(layer), deadline)
        })?;
        Ok(self.packets())
    }

    /// What the last call to encode gave.
    fn packets(&mut self) -> Option<(Bytes, bool)> {
        let (mut data, mut key) = (Vec::new(), false);
        let mut position: sys::vpx_codec_iter_t = ptr::null();
        loop {
            // SAFETY: the context was initialised, the position is null or what the last call left.
            let packet = unsafe { sys::vpx_codec_get_cx_data(&mut *self.context, &mut position) };
            // SAFETY: the pointer is null or points to a packet that lives until the next call with this context.
            let Some(packet) = (unsafe { packet.as_ref() }) else { break };
            if packet.kind != sys::vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT {
                continue;
            }
            // SAFETY: a packet of this kind holds a frame.
            let frame = unsafe { packet.data.frame };
            if frame.buf.is_null() || frame.sz == 0 {
                continue;
            }
            // SAFETY: libvpx gives `sz` bytes at `buf`, valid until the next call with this context; they are copied at once.
            data.extend_from_slice(unsafe { slice::from_raw_parts(frame.buf.cast(), frame.sz as usize) });
            key = frame_header::is_key(&data).unwrap_or(false);
        }
        (!data.is_empty()).then(|| (Bytes::from(data), key))
    }

    fn control(&mut self, id: sys::vp8e_enc_control_id, value: c_int) -> Result<(), Error> {
        // SAFETY: the context was initialised; every control used here takes one int (vp8cx.h).
        check("a setting", unsafe { sys::vpx_codec_control_(&mut *self.context, id as c_int, value) })
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the context was initialised once and is destroyed once.
        unsafe { sys::vpx_codec_destroy(&mut *self.context) };
    }
}

/// A VP8 decoder.
pub(super) struct Decoder {
    context: Box<sys::vpx_codec_ctx_t>,
}

// SAFETY: as for the encoder.
unsafe impl Send for Decoder {}

impl Decoder {
    pub(super) fn new() -> Result<Self, Error> {
        let mut context = Box::new(sys::vpx_codec_ctx_t::default());
        let config = sys::vpx_codec_dec_cfg_t { threads: 1, w: 0, h: 0 };
        let version = sys::VPX_DECODER_ABI_VERSION as c_int;
        // SAFETY: the interface is a static, the context is zeroed and stays where it is (boxed), the configuration is copied.
        check("a decoder", unsafe {
            sys::vpx_codec_dec_init_ver(&mut *context, sys::vpx_codec_vp8_dx(), &config, 0, version)
        })?;
        Ok(Self { context })
    }

    /// Decodes one frame. `None` when it is not meant to be shown.
    pub(super) fn decode(&mut self, frame: &[u8]) -> Result<Option<Picture>, Error> {
        let length = c_uint::try_from(frame.len()).map_err(|_| Error::Frame("it is too long".to_owned()))?;
        // SAFETY: the context was initialised; libvpx reads `length` bytes and keeps no pointer to them.
        check("a damaged frame", unsafe {
            sys::vpx_codec_decode(&mut *self.context, frame.as_ptr(), length, ptr::null_mut(), 0)
        })?;
        let mut corrupted: c_int = 0;
        let id = sys::vp8_dec_control_id::VP8D_GET_FRAME_CORRUPTED as c_int;
        // SAFETY: the context was initialised; this control writes one int.
        check("a damaged frame", unsafe { sys::vpx_codec_control_(&mut *self.context, id, &raw mut corrupted) })?;
        if corrupted != 0 {
            return Err(Error::Frame("its references are damaged".to_owned()));
        }
        self.picture()
    }

    /// The last picture that the last call to decode gave.
    fn picture(&mut self) -> Result<Option<Picture>, Error> {
        let mut last = None;
        let mut position: sys::vpx_codec_iter_t = ptr::null();
        loop {
            // SAFETY: the context was initialised, the position is null or what the last call left.
            let image = unsafe { sys::vpx_codec_get_frame(&mut *self.context, &mut position) };
            // SAFETY: the pointer is null or points to an image that lives until the next call to decode.
            let Some(image) = (unsafe { image.as_ref() }) else { return Ok(last) };
            last = Some(copy(image)?);
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the context was initialised once and is destroyed once.
        unsafe { sys::vpx_codec_destroy(&mut *self.context) };
    }
}

/// Real time at a constant bitrate, two temporal layers or the lower of them, key frames on demand alone.
fn fill(config: &mut sys::vpx_codec_enc_cfg_t, settings: &Settings) {
    config.g_w = settings.width;
    config.g_h = settings.height;
    config.g_threads = settings.threads;
    config.g_timebase = sys::vpx_rational { num: 1, den: CLOCK as c_int };
    // Frames of the base layer must not depend on the entropy of others: those may be lost or left out.
    config.g_error_resilient = 1;
    config.g_pass = sys::vpx_enc_pass::VPX_RC_ONE_PASS;
    config.g_lag_in_frames = 0;
    config.kf_mode = sys::vpx_kf_mode::VPX_KF_DISABLED;
    config.rc_end_usage = sys::vpx_rc_mode::VPX_CBR;
    config.rc_dropframe_thresh = 30;
    config.rc_resize_allowed = 0;
    config.rc_min_quantizer = 2;
    config.rc_max_quantizer = 56;
    config.rc_undershoot_pct = 100;
    config.rc_overshoot_pct = 15;
    // Milliseconds of bitrate: a frame may be larger than its share, but a second must not be.
    config.rc_buf_initial_sz = 500;
    config.rc_buf_optimal_sz = 600;
    config.rc_buf_sz = 1000;
    let bitrates = [settings.base_kilobits, settings.kilobits];
    // A rate control that waits for frames of a layer which never come would count their bits as owed for ever.
    let layers = if settings.upper { 2 } else { 1 };
    config.rc_target_bitrate = bitrates[layers - 1];
    config.ts_number_layers = layers as c_uint;
    config.ts_periodicity = layers as c_uint;
    config.ts_layer_id[..2].copy_from_slice(&[0, 1]);
    config.ts_rate_decimator[..2].copy_from_slice(&[layers as c_uint, 1]);
    config.ts_target_bitrate[..2].copy_from_slice(&bitrates);
}

/// What a frame may refer to and replace. The golden and alternative pictures stay those of the last key frame: unused.
fn flags(layer: Layer) -> sys::vpx_enc_frame_flags_t {
    let last_only =
        sys::VP8_EFLAG_NO_REF_GF | sys::VP8_EFLAG_NO_REF_ARF | sys::VP8_EFLAG_NO_UPD_GF | sys::VP8_EFLAG_NO_UPD_ARF;
    let flags = match layer {
        Layer::Key => sys::VPX_EFLAG_FORCE_KF,
        Layer::Base => last_only,
        Layer::Upper => last_only | sys::VP8_EFLAG_NO_UPD_LAST | sys::VP8_EFLAG_NO_UPD_ENTROPY,
    };
    c_long::from(flags)
}

/// An image that describes the picture's planes. It must not outlive the picture and must not be written to.
fn wrap(picture: &Picture) -> Result<sys::vpx_image_t, Error> {
    let mut image = MaybeUninit::<sys::vpx_image_t>::zeroed();
    let format = sys::vpx_img_fmt_t::VPX_IMG_FMT_I420;
    let data = picture.data.as_ptr().cast_mut();
    // SAFETY: the pointer to the image is valid for writing; the data is not touched, its address is only noted down.
    let wrapped = unsafe { sys::vpx_img_wrap(image.as_mut_ptr(), format, picture.width, picture.height, 1, data) };
    if wrapped.is_null() {
        return Err(Error::Size { width: picture.width, height: picture.height });
    }
    // SAFETY: the call above succeeded, so it filled the whole structure with valid values.
    let mut image = unsafe { image.assume_init() };
    // libvpx assumes even rows; ours are packed.
    let planes = picture.planes();
    for (plane, rows) in image.planes.iter_mut().zip([planes.y, planes.u, planes.v]) {
        *plane = rows.as_ptr().cast_mut();
    }
    let (width, half) = (picture.width as c_int, picture.chroma_size().0 as c_int);
    image.stride[..3].copy_from_slice(&[width, half, half]);
    Ok(image)
}

/// Copies an image out of libvpx.
fn copy(image: &sys::vpx_image_t) -> Result<Picture, Error> {
    let (width, height) = (image.d_w, image.d_h);
    if image.fmt != sys::vpx_img_fmt_t::VPX_IMG_FMT_I420 {
        return Err(Error::Frame("it is not I420".to_owned()));
    }
    let mut data = Vec::with_capacity(Picture::bytes(width, height)?);
    let half = (width.div_ceil(2), height.div_ceil(2));
    for ((plane, stride), (width, height)) in image.planes.iter().zip(image.stride).zip([(width, height), half, half]) {
        for row in 0..height as isize {
            // SAFETY: libvpx gives `height` rows of at least `width` bytes, `stride` apart, that live until the next call.
            data.extend_from_slice(unsafe {
                slice::from_raw_parts(plane.offset(row * stride as isize), width as usize)
            });
        }
    }
    Picture::from_data(width, height, data, Instant::now())
}

fn check(what: &str, status: sys::vpx_codec_err_t) -> Result<(), Error> {
    if status == sys::vpx_codec_err_t::VPX_CODEC_OK {
        return Ok(());
    }
    // SAFETY: the function gives a static text for every status.
    let words = unsafe { CStr::from_ptr(sys::vpx_codec_err_to_string(status)) };
    Err(Error::Codec(format!("{what}: {}", words.to_string_lossy())))
}
