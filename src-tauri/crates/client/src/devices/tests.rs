use super::*;

#[test]
fn a_device_in_use_is_always_among_the_choices() {
    let choices = choices(vec![("a".into(), "Cam".into())], "pattern:640x360@30", "camera");
    let names: Vec<_> = choices.iter().map(|choice| choice.name.as_str()).collect();
    assert_eq!(names, ["Default camera", "Cam", "Test picture"]);
}

#[test]
fn sound_is_processed_unless_it_is_turned_off() {
    assert_eq!(switches(&Settings::default()), Switches::ALL);
    let off =
        Settings { echo_cancellation: false, noise_suppression: false, automatic_gain: false, ..Settings::default() };
    assert_eq!(switches(&off), Switches::NONE);
    let gain = Settings { automatic_gain: true, ..off };
    assert_eq!(switches(&gain), Switches { automatic_gain: true, high_pass: true, ..Switches::NONE });
}

fn silent() -> DeviceEvent {
    DeviceEvent::Microphone(
        0,
        AudioEvent::Trouble { trouble: DeviceTrouble::Silent, detail: "nothing but zeros".into() },
    )
}

#[test]
fn a_microphone_that_gives_nothing_is_told_of_to_those_who_want_to_be_heard() {
    let (mut bay, _events) = Bay::new(&Settings::default(), &DeviceOverrides::default());
    let (code, problem) = bay.handle(silent()).expect("news");
    assert_eq!((code.as_str(), problem.code), ("microphone-silent", DeviceTrouble::Silent));
    assert_eq!(bay.handle(silent()), None, "told once");
    assert_eq!(bay.set_microphone(true), None, "it was on");

    let settings = Settings { microphone_on: false, ..Settings::default() };
    let (mut bay, _events) = Bay::new(&settings, &DeviceOverrides::default());
    assert_eq!(bay.handle(silent()), None);
    assert!(bay.view().microphone.problem.is_some(), "beside the device it is shown");
    assert_eq!(bay.set_microphone(true).expect("now it matters").0, "microphone-silent");
    assert_eq!(bay.set_microphone(false), None);
    let name = "Headset".to_owned();
    assert_eq!(bay.handle(DeviceEvent::Microphone(0, AudioEvent::Recovered { name })), None);
    assert_eq!(bay.set_microphone(true), None, "it is over");
}

#[test]
fn what_a_device_says_that_was_closed_counts_no_more() {
    let (mut bay, _events) = Bay::new(&Settings::default(), &DeviceOverrides::default());
    let unplugged = |number| {
        let trouble = DeviceTrouble::Unplugged;
        DeviceEvent::Camera(number, CameraEvent::Trouble { trouble, detail: String::new() })
    };
    bay.close();
    assert_eq!(bay.handle(unplugged(0)), None);
    assert_eq!(bay.view().camera.problem, None);
    assert_eq!(bay.handle(unplugged(1)).expect("news").0, "camera-unplugged");
}

#[test]
fn overrides_stand_above_settings_and_nonsense_below_the_usual() {
    let usual = CameraSpec::Device(None);
    assert_eq!(pick(&Some(CameraSpec::None), "device:a", usual.clone()), CameraSpec::None);
    assert_eq!(pick(&None, "device:a", usual.clone()), CameraSpec::Device(Some("a".into())));
    assert_eq!(pick(&None, "nonsense", usual.clone()), usual);
    assert_eq!(pick(&None, "", usual.clone()), usual);
}

#[test]
fn a_sound_device_that_ran_dry_is_told_apart_and_in_no_trouble() {
    let (mut bay, _events) = Bay::new(&Settings::default(), &DeviceOverrides::default());
    let dry = || AudioEvent::RanDry { callback_ms: 20 };
    assert_eq!(DeviceEvent::Microphone(0, dry()).ran_dry(), Some((DeviceKind::Microphone, 20)));
    assert_eq!(DeviceEvent::Speaker(0, dry()).ran_dry(), Some((DeviceKind::Speaker, 20)));
    assert_eq!(silent().ran_dry(), None);
    assert_eq!(bay.handle(DeviceEvent::Speaker(0, dry())), None);
    assert_eq!(bay.view().speaker.problem, None);
}
