-- What the specs of pages share: the fenced blocks and the links of a page, and the
-- checks of commands that several pages name.
-- Does not know: any page.

local child = require "spec.support.child"

local pages = {}

--- The text of a file of the project.
function pages.read(path)
  local file = assert(io.open(child.root .. "/" .. path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

--- Fenced blocks in order: language, text, line, and the name in a comment `<!-- test:
--- name -->` right before.
function pages.blocks(text)
  local blocks, block, name, number = {}, nil, nil, 0
  for line in text:gmatch "([^\n]*)\n" do
    number = number + 1
    local fence = line:match "^```(.*)$"
    if block and fence then
      block.text = table.concat(block, "\n") .. "\n"
      blocks[#blocks + 1], block, name = block, nil, nil
    elseif block then
      block[#block + 1] = line
    elseif fence then
      block = { language = fence, line = number, name = name }
    elseif line ~= "" then
      name = line:match "^<!%-%- test: (.-) %-%->$"
    end
  end
  assert(not block, "the page ends inside a block")
  return blocks
end

--- The commands of a page's blocks of shell, without comments.
function pages.commands(blocks)
  local commands = {}
  for _, block in ipairs(blocks) do
    for line in (block.language == "sh" and block.text or ""):gmatch "([^\n]+)\n" do
      commands[#commands + 1] = line:gsub("%s*#.*$", "")
    end
  end
  return commands
end

--- Raises unless each link leads to a file, from the folder of the page, or to a heading.
function pages.check_links(text, folder)
  local headings = {}
  for heading in text:gmatch "\n#+ ([^\n]+)" do headings[heading:lower():gsub(" ", "-")] = true end
  for link in text:gmatch "%]%(([^)]+)%)" do
    if link:sub(1, 1) == "#" then
      assert(headings[link:sub(2)], link)
    elseif not link:find "^https:" then
      pages.read(folder .. link)
    end
  end
end

--- Raises unless make knows how to run the command.
function pages.can_be_made(folder, command)
  local words = command:gsub("^sudo ", "") .. " -n"
  local code, _, err = folder:run("unset MAKEFLAGS MFLAGS MAKELEVEL; " .. words, {}, child.root)
  assert(code == 0 and err == "", err)
end

--- Raises unless the command starts a sandbox.
function pages.starts_a_sandbox(folder, command)
  local code, out = folder:run(([[
    %s/%s >out & pid=$!
    while kill -0 $pid && ! grep -q '^export GRID_ENVIRONMENT' out; do sleep 0.05; done
    cat out; kill $pid; wait $pid]]):format(child.root, command), { TMPDIR = folder.path })
  assert(code == 0 and out:find "export GRID_BASE_URL=https://localhost:%d+\n", out)
end

return pages
