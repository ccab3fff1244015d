---@meta grid.core
-- luacheck: ignore 212 241

-- The objects of the C core as the Lua language server should see them. No file loads
-- this one; a spec compares it with the methods that the classes of grid.core have.

--- A holder of the shared engine. The last one to close takes the connections with it.
---@class grid.core.engine
local engine = {}

--- Begins one HTTP exchange. Of the request's headers, a list, `false` is left out. The
--- id is the value that next_finished returns once the exchange is over.
---@param request table method, url, headers, body?, not_after?: on core.boottime
---@param settings table max_response_bytes, ca_file?, proxy?, http1_only?, insecure_skip_tls_verify?
---@param timeout number seconds
---@param connect_timeout number seconds, for name lookup, connection and TLS
---@return grid.core.transfer? transfer, any id, string? code, string? message
function engine:start(request, settings, timeout, connect_timeout) end

--- Does what is ready and what is due. Never blocks.
function engine:step() end

--- Sleeps until a step has work to do, `seconds` at most.
---@param seconds number
function engine:wait(seconds) end

--- Seconds until a step is due even if the descriptor does not become readable; none: no
--- step is due.
---@return number?
function engine:timeout() end

--- Readable when a step has work to do, and after `wake`; nil where the platform has no
--- such descriptor.
---@return integer?
function engine:fd() end

--- A wakeup for event loops: the descriptor is readable until the wakeup is cleared.
function engine:wake() end

function engine:clear_wakeup() end

---@return integer
function engine:in_flight() end

--- The id of a transfer that has finished and was not named yet.
---@return any id
function engine:next_finished() end

--- False once closed, and in a child of the process that made it.
---@return boolean
function engine:is_usable() end

function engine:close() end

--- One exchange under way. Closing or collecting it cancels it.
---@class grid.core.transfer
local transfer = {}

---@return boolean
function transfer:is_finished() end

--- Has the request gone out so far, and has an answer come?
---@return "no"|"unknown"|"yes"
function transfer:sent() end

--- The answer as far as it came, its body as grid.core.bytes in `content`; and kind, code
--- and message if the answer is not whole.
---@return table answer
function transfer:answer() end

function transfer:close() end

--- Bytes that become a string only when asked for.
---@class grid.core.bytes
local bytes = {}

---@return string
function bytes:string() end

--- The results of json_decode for these bytes, behind a byte order mark.
---@param array_metatable table
---@param ... string|integer
---@return any value, string? kind_or_exact, string? code, string? message
function bytes:decode(array_metatable, ...) end

--- A P-256 key pair. Wiped when closed or collected.
---@class grid.core.key
local key = {}

--- Base64 of the 91-byte SPKI DER.
---@return string
function key:public_key() end

--- Base64 of the PKCS#8 DER: a secret.
---@return string
function key:export() end

--- What logs may show.
---@return string
function key:fingerprint() end

--- Opens what was sealed to this pair. Both are base64.
---@param encapsulated_key string
---@param ciphertext string
---@return grid.core.key? key, string? kind, string? code, string? message
function key:open(encapsulated_key, ciphertext) end

--- Signs the canonical form of a JSON text that is given in base64.
---@param payload string
---@return string? signature, string? kind, string? code, string? message
function key:sign_payload(payload) end

--- The signature as JWS has it (ES256): r and s, 32 bytes each.
---@param text string
---@return string? signature, string? kind, string? code, string? message
function key:sign_raw(text) end

function key:close() end

--- Closing or collecting it waits until the submitted writes are done. In a forked child
--- it is not usable.
---@class grid.core.writer
local writer = {}

--- Submits core.file_replace_if. The ids of a writer are 1, 2, …
---@param path string
---@param temporary_folder string
---@param expected string?
---@param text string
---@param modified number
---@param sweeps boolean?
---@return integer? id, string? kind, string? code, string? message
function writer:replace_if(path, temporary_folder, expected, text, modified, sweeps) end

--- Submits core.file_remove_if.
---@param path string
---@param expected string
---@return integer? id, string? kind, string? code, string? message
function writer:remove_if(path, expected) end

--- Readable while a result has not been taken.
---@return integer
function writer:fd() end

--- The oldest result, in the order of submission; nothing: none is finished.
---@return integer? id, boolean? ok, string? kind, string? code, string? message
function writer:next_finished() end

---@return boolean
function writer:is_usable() end

function writer:close() end

--- Sends datagrams to the UDP socket that knows its secret. Closing or collecting it ends
--- its thread. In a forked child it sends nothing.
---@class grid.core.notifier
local notifier = {}

--- The port of 127.0.0.1 to send the secret to.
---@return integer
function notifier:port() end

--- One datagram when the descriptor is readable, and one when `seconds` have passed,
--- unless it is armed again before. False: none will be sent, since the secret has not
--- arrived or the descriptor cannot be polled.
---@param descriptor integer
---@param seconds number
---@return boolean
function notifier:arm(descriptor, seconds) end

--- One datagram now.
function notifier:send() end

function notifier:close() end

--- A file that is being replaced. Closing or collecting it leaves the old one as it is.
---@class grid.core.file
local file = {}

--- Up to `limit` bytes of the old file.
---@param limit integer
---@return string? text, string? kind, string? code, string? message
function file:read(limit) end

--- Writes the text beside the old file, for `core.files_commit`. Closes the file if that
--- fails.
---@param text string
---@return true? ok, string? kind, string? code, string? message
function file:write(text) end

--- Puts the text in the place of the old file, and closes.
---@param text string
---@return true? ok, string? kind, string? code, string? message
function file:commit(text) end

function file:close() end
