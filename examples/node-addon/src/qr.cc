// encode(text, level) gives { version, size, modules } of a QR code, by libqrencode.
#include <errno.h>
#include <napi.h>
#include <qrencode.h>

#include <string>

static Napi::Value Encode(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    if (info.Length() < 1 || !info[0].IsString()) {
        Napi::TypeError::New(env, "a text is needed").ThrowAsJavaScriptException();
        return env.Undefined();
    }
    std::string text = info[0].As<Napi::String>();
    std::string name = info.Length() > 1 && info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "M";
    QRecLevel level = name == "L" ? QR_ECLEVEL_L : name == "Q" ? QR_ECLEVEL_Q : name == "H" ? QR_ECLEVEL_H : QR_ECLEVEL_M;
    QRcode *code = QRcode_encodeData(static_cast<int>(text.size()), reinterpret_cast<const unsigned char *>(text.data()), 0, level);
    if (!code) {
        Napi::RangeError::New(env, errno == ERANGE ? "the text is too long" : "there is no text").ThrowAsJavaScriptException();
        return env.Undefined();
    }
    Napi::Object result = Napi::Object::New(env);
    size_t area = static_cast<size_t>(code->width) * code->width;
    Napi::Uint8Array modules = Napi::Uint8Array::New(env, area);
    for (size_t i = 0; i < area; i++)
        modules[i] = code->data[i] & 1;
    result.Set("version", code->version);
    result.Set("size", code->width);
    result.Set("modules", modules);
    QRcode_free(code);
    return result;
}

static Napi::Object Init(Napi::Env env, Napi::Object exports)
{
    exports.Set("encode", Napi::Function::New(env, Encode));
    exports.Set("library", Napi::String::New(env, QRcode_APIVersionString()));
    return exports;
}

NODE_API_MODULE(qr, Init)
